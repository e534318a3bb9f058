"""Components shared by the HTTP services: authentication, limits, request bodies and error responses."""
