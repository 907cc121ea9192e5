"""The contract of every HTTP call that the app makes, over real sockets: what is sent, and what answers mean."""
