"""One folder per charging network protocol; they meet the service only in ``contracts``."""
