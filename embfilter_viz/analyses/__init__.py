"""Questions answered on an opened model: records that pages and the command line share."""
