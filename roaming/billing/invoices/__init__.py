"""Invoices of closed statements: EN 16931 as CII, UBL and Factur-X."""
