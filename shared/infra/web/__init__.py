"""What every service with an HTTP door needs: who asks, how much they may send, and how errors look."""
