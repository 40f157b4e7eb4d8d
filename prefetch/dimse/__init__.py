"""The one place that speaks DICOM to peers: associations, C-FIND, C-MOVE, C-ECHO and their outcomes."""
