"""Training of networks, whatever comes out of them."""
