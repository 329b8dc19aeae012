"""Files of a checkpoint: headers, tensors, hashes, and the checks before anything is opened."""
