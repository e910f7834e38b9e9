"""The run: from inputs and an emulator to lazy fields, block by block."""
