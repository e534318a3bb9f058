"""The speaker segmentation network: speech activity and overlap of up to three local speakers."""
