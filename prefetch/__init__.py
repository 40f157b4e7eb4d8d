"""Has a patient's earlier imaging studies verified complete on the reading workstation before the exam."""
