"""Every sentence of the explorer, on many models and windows, and what it must hold to."""
