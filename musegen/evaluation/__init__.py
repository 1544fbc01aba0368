"""How good is a model, and is it good enough: figures, pictures, the gate and the report."""
