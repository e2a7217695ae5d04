"""The register of what personal data is processed for, the consents that some of it needs, and impact assessments."""
