import Foundation

/// Where a part of a page lies in its picture.
struct PixelBox: Codable {
    var x: Double
    var y: Double
    var width: Double
    var height: Double
}

/// Counts the pixels of a PNG that have a colour, give or take what anti-aliasing does. Foundation cannot inflate on
/// Linux, Python can.
enum PixelCount {
    static func count(in picture: URL, _ queries: [Query]) throws -> [Int] {
        guard let python = Browser.python else { throw Browser.Failed(description: "no python3") }
        let asked = String(decoding: try JSONEncoder().encode(queries), as: UTF8.self)
        let counts = try Browser.run(python, ["-c", reader, picture.path], input: asked)
        return try JSONDecoder().decode([Int].self, from: Data(counts.utf8))
    }

    struct Query: Codable {
        var box: PixelBox
        /// "#rrggbb".
        var colour: String
    }

    /// Reads pictures of 8 bits a channel, RGB or RGBA, not interlaced.
    private static let reader = """
        import collections, json, struct, sys, zlib

        data = open(sys.argv[1], "rb").read()
        assert data[:8] == b"\\x89PNG\\r\\n\\x1a\\n", "not a PNG"
        at, packed = 8, b""
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + size]
            assert struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0] == zlib.crc32(kind + body), "damaged"
            if kind == b"IHDR":
                width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            if kind == b"IDAT":
                packed += body
            at += 12 + size
        assert depth == 8 and colour in (2, 6) and interlace == 0, "an unexpected kind of PNG"
        step = 3 if colour == 2 else 4
        raw, stride = zlib.decompress(packed), width * step
        rows, above = [], bytearray(stride)
        queries = json.load(sys.stdin)
        last = max(round(query["box"]["y"] + query["box"]["height"]) for query in queries)
        for y in range(min(height, last)):
            start = y * (stride + 1)
            method, row = raw[start], bytearray(raw[start + 1:start + 1 + stride])
            if method == 2:
                # Most rows of a page are as the one above.
                row = bytearray((a + b) & 255 for a, b in zip(row, above)) if any(row) else above
            elif method:
                for i in range(stride):
                    left, corner = (row[i - step], above[i - step]) if i >= step else (0, 0)
                    up = above[i]
                    if method == 1:
                        guess = left
                    elif method == 3:
                        guess = (left + up) // 2
                    else:
                        far, high, askew = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                        guess = left if far <= high and far <= askew else up if high <= askew else corner
                    if guess:
                        row[i] = (row[i] + guess) & 255
            rows.append(row)
            above = row
        found = {}

        # How often each colour occurs in a box.
        def colours(box):
            if box not in found:
                x, y, wide, high = box
                found[box] = collections.Counter()
                for row in rows[max(0, y):y + high]:
                    part = row[max(0, x) * step:(x + wide) * step]
                    found[box].update(zip(part[0::step], part[1::step], part[2::step]))
            return found[box]

        counts = []
        for query in queries:
            box = tuple(round(query["box"][key]) for key in ("x", "y", "width", "height"))
            wanted = bytes.fromhex(query["colour"][1:])
            counts.append(sum(
                count for colour, count in colours(box).items()
                if all(abs(a - b) <= 12 for a, b in zip(colour, wanted))))
        print(json.dumps(counts))
        """
}
