"""The native API: accepts recordings, returns job ids, manages webhook endpoints and shows their deliveries."""
