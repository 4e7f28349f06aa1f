"""What comes before the trials and after them: data, untrained models, the evaluation."""
