"""What feeds say: HL7 v2 over MLLP and DICOM worklists become `model.OrderEvent`s."""
