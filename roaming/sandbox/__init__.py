"""A partner to practise with: an eMSP that registers by the real handshake, with faults on request."""
