"""From a Case to an Answer: verdicts, sensitivity, the ladder, alternatives."""
