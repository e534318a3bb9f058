"""The science: stages over domain and ports, and the driver that walks them."""
