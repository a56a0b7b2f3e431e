"""The CustomResourceDefinitions as files: a package only so that an installation carries them."""
