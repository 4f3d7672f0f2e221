import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

/// Whom presence is told and when, on a clock that is only a number.
@Suite("News of presence") struct PresenceNewsTests {
    private static let pace = PresencePace(first: 100, window: 1_500, popular: 5_000)
    /// A tick may have to pass.
    private static let tick: UInt64 = 32

    @Test("a quiet owner hears soon, once, of all that came together") func quiet() {
        var news = PresenceNews(Self.pace)
        news.note(7, of: 1, now: 1_000)
        news.note(3, of: 1, now: 1_050)
        news.note(7, of: 1, now: 1_090)
        #expect(news.take(now: 1_099) == nil)
        let due = news.next!
        #expect((1_100...1_100 + Self.tick).contains(due))
        var (owner, noted) = news.take(now: due)!
        var numbers: [UInt16] = []
        noted.take { numbers.append($0) }
        #expect(owner == 1 && numbers == [3, 7] && !noted.isEverything)
        #expect(news.take(now: due + 10_000) == nil && news.next == nil)
    }

    @Test("one who has just been told waits until the window is over") func window() {
        var news = PresenceNews(Self.pace)
        news.note(1, of: 1, now: 0)
        let first = news.next!
        #expect(news.take(now: first) != nil)
        news.note(2, of: 1, now: first + 1)
        let second = news.next!
        #expect((first + 1_500...first + 1_500 + Self.tick).contains(second))
        #expect(news.take(now: second) != nil)
        // After a window without any it is as at first.
        news.note(2, of: 1, now: second + 1_500)
        #expect((second + 1_600...second + 1_600 + Self.tick).contains(news.next!))
    }

    @Test("of more contacts than are told by number, the whole view is told") func everything() {
        var news = PresenceNews(Self.pace)
        for number in 1...UInt16(PresenceNews.numbersMax) { news.note(number, of: 1, now: 0) }
        news.note(5, of: 1, now: 0)
        for number in 1...UInt16(PresenceNews.numbersMax + 1) { news.note(number, of: 2, now: 0) }
        news.note(nil, of: 3, now: 0)
        var seen: [UInt32: Bool] = [:]
        while let (owner, noted) = news.take(now: 1_000) { seen[owner] = noted.isEverything }
        #expect(seen == [1: false, 2: true, 3: true])
    }

    @Test("who is forgotten is told nothing") func forgotten() {
        var news = PresenceNews(Self.pace)
        news.note(1, of: 1, now: 0)
        news.forget(1)
        #expect(news.take(now: 5_000) == nil && news.count == 0)
    }

    /// Whoever sleeps until something is due would never sleep again, if what is due were left as it is.
    @Test("what was noted for one who is not watched any more is not due for ever", arguments: [2, 4_000])
    func quietAgain(followers: UserID) {
        var directory = Directory(epochs: EpochHistory(current: 1))
        for user in 1...followers + 1 { directory.apply(.accountCreated(user: user, name: "u\(user)"), at: user) }
        for owner in 2...followers + 1 {
            directory.apply(
                .entrySet(owner: owner, contact: 1, number: 1, annotations: Annotations()),
                at: 9_000 + owner
            )
        }
        let (contact, owner) = (directory.index(of: 1)!, directory.index(of: 2)!)
        #expect(directory.isQuiet == true)
        directory.watch(owner)
        directory.movePresence(of: contact, from: nil, to: SessionPresence(.online))
        directory.spreadPresence(now: 1_000)
        #expect(directory.nextPresenceNews != nil)
        directory.movePresence(of: contact, from: SessionPresence(.online), to: SessionPresence(.away))
        directory.unwatch(owner)
        #expect(directory.isQuiet == false)
        var rounds = 0
        while !directory.isQuiet, rounds < 100 {
            let now = directory.nextPresenceNews ?? 1_000
            directory.spreadPresence(now: now)
            directory.spreadNews(now: now)
            #expect(directory.takePresenceNews(now: now) == nil)
            rounds += 1
        }
        #expect(directory.isQuiet && directory.nextPresenceNews == nil)
    }

    @Test("seeded: nothing is told later than two seconds, none is lost, and nobody is told more often than the pace")
    func seeded() {
        for run in UInt64(1)...20 {
            var seed = Seed(default: run)
            var news = PresenceNews(Self.pace)
            var now: UInt64 = 1_000_000
            /// When each number was noted first and is not told yet.
            var waiting: [UInt32: [UInt16: UInt64]] = [:]
            var toldAt: [UInt32: [UInt64]] = [:]
            for _ in 0..<3_000 {
                now += UInt64.random(in: 0...40, using: &seed)
                if seed.chance(40) {
                    let owner = UInt32.random(in: 0..<20, using: &seed)
                    let number = UInt16.random(in: 1...30, using: &seed)
                    news.note(number, of: owner, now: now)
                    if waiting[owner, default: [:]][number] == nil { waiting[owner, default: [:]][number] = now }
                }
                while let (owner, taken) = news.take(now: now) {
                    var noted = taken
                    var numbers: Set<UInt16> = []
                    let isEverything = noted.isEverything
                    noted.take { numbers.insert($0) }
                    let due = waiting.removeValue(forKey: owner)!
                    #expect(isEverything ? due.count > PresenceNews.numbersMax : numbers == Set(due.keys), "\(seed)")
                    // A step of the clock here is up to 40 ms.
                    #expect(due.values.allSatisfy { now - $0 <= 1_500 + 2 * Self.tick + 40 }, "\(seed)")
                    toldAt[owner, default: []].append(now)
                }
            }
            for times in toldAt.values {
                for (earlier, later) in zip(times, times.dropFirst()) { #expect(later - earlier >= 1_500, "\(seed)") }
            }
            now += 2_000
            while let (owner, _) = news.take(now: now) { waiting[owner] = nil }
            #expect(waiting.isEmpty, "\(seed)")
        }
    }

    @Test("a popular contact is told of once in a while, the first time soon") func popular() {
        var popular = PopularPresence(Self.pace)
        popular.note(9, now: 0)
        popular.note(9, now: 50)
        let first = popular.next!
        #expect(first <= 100 + 128 && popular.take(now: first) == 9 && popular.take(now: first) == nil)
        popular.note(9, now: first + 10)
        let second = popular.next!
        #expect((first + 5_000...first + 5_000 + 128).contains(second))
        #expect(popular.take(now: second - 1) == nil && popular.take(now: second) == 9)
    }
}
