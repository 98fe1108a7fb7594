"""Writes tests/golden/npz_golden.txt: the archive that numpy.savez makes of the arrays in npy_golden.txt
whose titles begin with "save".

Usage: python3 npz.py > npz_golden.txt

NumPy leaves the archive to Python's zipfile, which writes proper headers for ZIP64 since Python 3.11.4.
This script does what numpy.savez does, with the .npy files of the golden file.
"""

import io
import os
import sys
import zipfile

assert sys.version_info >= (3, 11, 4)
file = io.BytesIO()
with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
    for line in open(os.path.join(os.path.dirname(__file__), "npy_golden.txt")):
        words = line.split()
        if words[1].startswith("save"):
            with archive.open(words[1] + ".npy", "w", force_zip64=True) as entry:
                entry.write(bytes.fromhex(words[-1]))
print(file.getvalue().hex())
