"""Whether a platform speaks OCPI as its version is written: asked by GET alone, never written to."""
