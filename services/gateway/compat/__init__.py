"""Compatible APIs: translations of other services' APIs to the native domain, without logic of their own."""
