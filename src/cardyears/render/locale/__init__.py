"""Voices in other languages than English: gettext catalogues for sentences, Babel for numbers and plurals."""
