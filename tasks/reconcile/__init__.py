"""The reconcilers: one per lane, each the only caller of its writer."""
