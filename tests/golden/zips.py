"""Writes tests/golden/zips_golden.txt: zip archives of Python's zipfile, and deflated data of zlib.

Usage: python3 zips.py > zips_golden.txt

A line "archive TITLE HEX" has the bytes of an archive, and each line "entry NAME HEX" behind it the
content of an entry. A line "deflated TITLE HEX LENGTH CRC" has deflated data, and the length and the
CRC-32 of what zlib makes of it; the length is -1 where zlib refuses the data, or does not end with it.
Nothing is written as ".".
"""

import io
import random
import zipfile
import zlib

random.seed(15)


class Pipe(io.RawIOBase):
    """A file in which zipfile cannot go back: it writes descriptors behind the data."""

    def __init__(self):
        self.bytes = b""

    def writable(self):
        return True

    def write(self, piece):
        self.bytes += bytes(piece)
        return len(piece)


def put_archive(title, contents, method=zipfile.ZIP_STORED, zip64=False, pipe=False, comment=b""):
    file = Pipe() if pipe else io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            with archive.open(name, "w", force_zip64=zip64) as entry:
                entry.write(content)
        archive.comment = comment
    print("archive", title, (file.bytes if pipe else file.getvalue()).hex())
    for name, content in contents.items():
        print("entry", name, content.hex() or ".")


def inflate(data):
    stream = zlib.decompressobj(-15)
    try:
        plain = stream.decompress(data) + stream.flush()
    except zlib.error:
        return None
    return plain if stream.eof and not stream.unused_data else None


def put_deflated(title, data):
    plain = inflate(data)
    length, crc = (-1, 0) if plain is None else (len(plain), zlib.crc32(plain))
    print("deflated", title, data.hex() or ".", length, "%08x" % crc)


def deflate(plain, level, strategy, flush=None, window=-15):
    stream = zlib.compressobj(level, zlib.DEFLATED, window, 8, strategy)
    half = len(plain) // 2
    data = stream.compress(plain[:half])
    if flush is not None:
        data += stream.flush(flush)
    return data + stream.compress(plain[half:]) + stream.flush()


def bits(*fields):
    """Deflated data of (number, width) fields, the lowest bit first; a code is written from its first
    bit, as a string of bits."""
    text = "".join(f if isinstance(f, str) else format(f[0], "0%db" % f[1])[::-1] for f in fields)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i:i + 8][::-1], 2) for i in range(0, len(text), 8))


def dynamic(code_lengths, *fields, symbols=257, distances=1):
    """A last block whose code lengths are coded by the lengths {symbol: length}."""
    order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    return bits((1, 1), (2, 2), (symbols - 257, 5), (distances - 1, 5), (15, 4),
                *[(code_lengths.get(s, 0), 3) for s in order], *fields)


contents = {"a": b"", "b/long-name.npy": bytes(range(100)), "ä": b"x" * 50, "last": b"tensor " * 20}
put_archive("empty", {})
put_archive("stored", contents)
put_archive("deflated", contents, zipfile.ZIP_DEFLATED)
put_archive("comment", contents, comment=b"a comment")
for zip64 in False, True:
    for method in zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED:
        kind = "%s%s" % ("zip64-" if zip64 else "", method)
        if zip64:
            put_archive("file-" + kind, contents, method, zip64)
        put_archive("pipe-" + kind, contents, method, zip64, pipe=True)

words = [random.randbytes(random.randrange(1, 20)) for _ in range(10)]
words = b"".join(random.choice(words) for _ in range(60))
samples = {"nothing": b"", "byte": b"a", "zeros": bytes(70000), "random": random.randbytes(600),
           "words": words,
           "skewed": bytes(min(int(random.expovariate(0.1)), 255) for _ in range(800))}
for title, plain in samples.items():
    for level in (1, 6) if title == "zeros" else range(10) if title == "words" else (0, 1, 4, 9):
        put_deflated("%s-%d" % (title, level), deflate(plain, level, zlib.Z_DEFAULT_STRATEGY))
    if title != "zeros":
        for strategy in zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED:
            put_deflated("%s-strategy-%d" % (title, strategy), deflate(plain, 9, strategy))
        put_deflated(title + "-sync", deflate(plain, 6, 0, zlib.Z_SYNC_FLUSH))
        put_deflated(title + "-full", deflate(plain, 6, 0, zlib.Z_FULL_FLUSH, -9))

fibonacci = [1, 1]
while len(fibonacci) < 17:
    fibonacci.append(fibonacci[-1] + fibonacci[-2])
put_deflated("long-codes", deflate(b"".join(bytes([i]) * n for i, n in enumerate(fibonacci)), 9,
                                   zlib.Z_HUFFMAN_ONLY))

whole = deflate(words[:200], 9, 0)
for _ in range(100):
    damaged = bytearray(whole)
    damaged[random.randrange(len(whole))] ^= 1 << random.randrange(8)
    put_deflated("damaged", bytes(damaged))
put_deflated("cut", whole[:-1])
put_deflated("longer", whole + b"\0")
put_deflated("no-block", b"")
put_deflated("third-kind", bits((1, 1), (3, 2)))
put_deflated("two-lengths", bits((1, 1), (0, 2), "00000", (5, 16), (5, 16)) + b"12345")
put_deflated("length-286", bits((1, 1), (1, 2), "11000110", "0000000"))
put_deflated("length-287", bits((1, 1), (1, 2), "11000111", "0000000"))
put_deflated("distance-29", bits((1, 1), (1, 2), "00110000", "0000001", "00000", "0000000"))
put_deflated("distance-30", bits((1, 1), (1, 2), "00110000", "0000001", "11110", "0000000"))
put_deflated("before-the-data", bits((1, 1), (1, 2), "00110000", "0000001", "00001", "0000000"))
put_deflated("symbols-287", dynamic({0: 1, 1: 1}, "0" * 400, symbols=287))
put_deflated("distances-31", dynamic({0: 1, 1: 1}, "0" * 400, distances=31))
# 256 lengths of 0, a length of 1 for the end of the block, and none for distances.
zeros = ["0", (127, 7), "0", (107, 7)]
put_deflated("only-the-end", dynamic({1: 2, 18: 1, 0: 2}, *zeros, "11", "10", "0"))
put_deflated("other-than-the-end", dynamic({1: 2, 18: 1, 0: 2}, *zeros, "11", "10", "1"))
put_deflated("no-end", dynamic({1: 2, 18: 1, 0: 2}, *zeros, "10", "10", "0"))
put_deflated("lone-code-of-two-bits", dynamic({2: 2, 18: 1, 0: 2}, *zeros, "11", "10", "00"))
put_deflated("incomplete-lengths", dynamic({1: 2, 18: 1}, *zeros, "10", "10", "0"))
put_deflated("too-many-lengths", dynamic({1: 1, 18: 1, 0: 1}, *zeros, "10", "10", "0"))
put_deflated("no-lengths", dynamic({}, "0" * 300))
put_deflated("repeat-nothing", dynamic({16: 1, 18: 1}, "0", (0, 2), "0" * 20))
put_deflated("repeat-too-often", dynamic({1: 2, 18: 1, 0: 2}, "0", (127, 7), "0", (127, 7), "11", "0"))
