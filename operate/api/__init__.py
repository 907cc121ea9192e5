"""What is asked over HTTP: who may ask, how a request is read, and how an answer looks."""
