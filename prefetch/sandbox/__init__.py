"""A hospital in a box: archives, a workstation and a RIS on real sockets, with faults by name.

Used by the demo, by the tests, and by an administrator who wants to try rules without a hospital.
"""
