"""The XDM model: fields, values, normalization, export for Adobe. No I/O, no Singer."""
