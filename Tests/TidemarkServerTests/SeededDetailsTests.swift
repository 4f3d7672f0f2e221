import Testing
import TidemarkRandom
import TidemarkWire

@testable import TidemarkServer

@Suite struct SeededDetailsTests {
    @Test func `the same seed and name give the same details`() {
        for name in ["0", "17", "alice", "Łukasz"] {
            #expect(SeededDetails.fields(name: name, seed: 7) == SeededDetails.fields(name: name, seed: 7))
            #expect(SeededDetails.fields(name: name, seed: 7) != SeededDetails.fields(name: name, seed: 8))
        }
        #expect(SeededDetails.fields(name: "a", seed: 1) != SeededDetails.fields(name: "b", seed: 1))
    }

    /// SplitMix64's published test vector, for seed 1234567.
    @Test func `the generator is SplitMix64`() {
        var random = SplitMix64(seed: 1_234_567)
        #expect(
            [random.next(), random.next(), random.next()]
                == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        )
    }

    @Test func `about 200 bytes a user, all of them valid`() {
        var bytes = 0
        var fullNames: Set<[UInt8]> = []
        let users = 4_039
        for user in 0..<users {
            let fields = SeededDetails.fields(name: "\(user)", seed: 1)
            let numbers = fields.map(\.number)
            let areValid = fields.allSatisfy { field in
                field.value!.withUnsafeBytes { field.number.accepts($0) && !$0.isEmpty }
            }
            let total = fields.reduce(0) { $0 + $1.value!.count }
            // One expectation a user: thousands of them take their time.
            #expect(
                areValid && numbers == Set(numbers).sorted() && numbers.first == .fullName
                    && (40...400).contains(total),
                "user \(user)"
            )
            fullNames.insert(fields[0].value!)
            bytes += total
        }
        let mean = Double(bytes) / Double(users)
        #expect((190...210).contains(mean), "mean \(mean)")
        #expect(fullNames.count > users / 2)
    }

    @Test func `a spot check that holds the lists in place`() {
        let text = SeededDetails.fields(name: "17", seed: 1).map {
            "\($0.number.name)=\(String(decoding: $0.value!, as: UTF8.self))"
        }
        #expect(
            text == [
                "FN=Abiodun Ayodeji", "NICKNAME=abiodun_a", "TEL=+234 800 555 0653",
                "EMAIL=abiodun.ayodeji6@example.org", "ORG=Greenfield Gardens Ltd", "TITLE=Legal counsel",
                "NOTE=Always looking for good books.", "URL=https://example.org/abiodun.ayodeji",
                "ADR=;;32 Market Street;Lagos;;100233;Nigeria", "LANG=yo",
            ]
        )
    }

    @Test func `each culture is complete`() {
        for culture in Culture.all {
            #expect(culture.given.count == 24 && culture.family.count == 24, "\(culture.country)")
            for word in culture.given + culture.family {
                #expect(word.plain.utf8.allSatisfy { (0x61...0x7A).contains($0) }, "\(word.written)")
            }
            #expect(culture.street.contains("%"))
            #expect(culture.cities.allSatisfy { $0.split(separator: ";").count == 2 })
        }
    }
}
