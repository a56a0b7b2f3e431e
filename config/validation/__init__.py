"""What is wrong with a manifest, judged in one place: types, rules, hints, what is left out."""
