"""Networks of several senses, trained on clips, and served in the slot of the fusion."""
