import Testing
import TidemarkWire

@Suite("Invalid vectors")
struct InvalidVectorTests {
    @Test("there are at least fifty, and they break every rule in several places")
    func coverage() throws {
        let vectors = try InvalidVector.all()
        #expect(vectors.count >= 50)
        // No bytes break the rule that stands for those of later versions.
        for rule in DecodeError.Rule.allCases where rule != .unknown {
            let breaking = vectors.filter { $0.decode?.rule == rule }
            #expect(breaking.count >= 2, "\(rule)")
            guard rule != .mark else { continue }
            #expect(Set(breaking.compactMap(\.decode?.offset)).count >= 2, "\(rule)")
        }
        let types = Set(vectors.compactMap(\.type))
        for type in MessageType.allCases where type.isImplemented {
            #expect(types.contains(type), "no invalid vector for \(type)")
        }
    }

    @Test("each body is refused by its rule, at its offset")
    func bodies() throws {
        for vector in try InvalidVector.all() {
            guard let type = vector.type else { continue }
            do {
                let message = try decode(type, vector.bytes)
                Issue.record("\(vector.name) decodes to \(String(describing: message))")
            } catch let error as DecodeError {
                #expect(error == vector.decode, "\(vector.name)")
            }
        }
    }

    @Test("each frame is refused with its code")
    func frames() throws {
        for vector in try InvalidVector.all() where vector.type == nil {
            let refused = try #require(
                try refusal(vector.bytes, bodyBytesMax: vector.bodyBytesMax),
                "\(vector.name) is not refused"
            )
            #expect(refused.code == vector.code.rawValue, "\(vector.name)")
            #expect(refused.decode == vector.decode, "\(vector.name)")
            #expect(refused.closes, "\(vector.name)")
        }
    }

    @Test("a frame that is too large is refused with its header alone")
    func tooLarge() throws {
        let vectors = try InvalidVector.all().filter { $0.code == .frameTooLarge }
        #expect(vectors.count >= 3)
        for vector in vectors {
            #expect(vector.bytes.count == Limits.headerBytes, "\(vector.name)")
            for count in 0..<Limits.headerBytes {
                #expect(Parsed(vector.bytes.prefix(count), bodyBytesMax: vector.bodyBytesMax) == .incomplete)
            }
        }
    }
}
