"""Texts read by a running server: an engine as the encoder, with the head read on this machine."""
