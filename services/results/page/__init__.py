"""The pages of Undertone for a browser: meetings, search, and a meeting with its recording and transcript."""
