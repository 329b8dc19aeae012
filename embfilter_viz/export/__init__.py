"""Taking a window away: a filter file, a model folder, FAISS, plain lines, a report."""
