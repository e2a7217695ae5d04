"""ECGs of machines that speak no DICOM: read from SCP-ECG and HL7 aECG, drawn as paper shows them."""
