"""HTTP to RainFocus: requests, pages, downloads. Knows no Singer."""
