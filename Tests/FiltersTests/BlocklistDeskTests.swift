import Adapters
import MailTypes
import Pipeline
import Synchronization
import Testing

/// Lists in DNS, dead and mad ones among them. RFC 5782 §5.
@Suite struct BlocklistDeskTests {
    /// A world of lists, whose clock is moved by hand.
    final class World: Sendable {
        enum Mood: Sendable { case sound, all, allBut(String), empty, dead, broken, error(IPAddress) }

        private struct State {
            var mood = Mood.sound
            var listed: [String: IPAddress] = [:]
            var mute: Set<String> = []
            var asked: [String] = []
            var now = ContinuousClock.now
            var told: [String] = []
            var count = 0
        }

        private let state = Mutex(State())

        var mood: Mood {
            get { state.withLock { $0.mood } }
            set { state.withLock { $0.mood = newValue } }
        }
        var asked: [String] { state.withLock { $0.asked } }
        var told: [String] { state.withLock { $0.told } }
        var count: Int { state.withLock { $0.count } }
        var now: ContinuousClock.Instant { state.withLock { $0.now } }
        func list(_ name: String, _ answer: IPAddress = "127.0.0.2") { state.withLock { $0.listed[name] = answer } }
        func mute(_ name: String) { state.withLock { _ = $0.mute.insert(name) } }
        func advance(_ duration: Duration) { state.withLock { $0.now += duration } }
        func forget() { state.withLock { $0.asked = [] } }

        func answer(_ question: DNSQuestion) throws(StageFailure) -> DNSAnswer {
            let (mood, answer, isMute) = state.withLock { state in
                state.asked.append(question.name)
                return (state.mood, state.listed[question.name], state.mute.contains(question.name))
            }
            if isMute { throw StageFailure("no answer in time", timedOut: true) }
            let isTestPoint = question.name == "2.0.0.127.zone.example"
            switch mood {
            case .sound:
                guard let answer = answer ?? (isTestPoint ? "127.0.0.2" : nil) else { return .noName }
                return .records([.address(answer)], isSecure: false)
            case .allBut(let cached) where question.name == cached: return .noName
            case .all, .allBut: return .records([.address("127.0.0.2")], isSecure: false)
            case .empty: return answer.map { .records([.address($0)], isSecure: false) } ?? .noName
            case .dead: throw StageFailure("no answer in time", timedOut: true)
            case .broken: throw StageFailure("DNS: SERVFAIL")
            case .error(let address): return .records([.address(address)], isSecure: false)
            }
        }

        func desk(_ change: (inout BlocklistDesk.Options) -> Void = { _ in }) -> BlocklistDesk {
            var options = BlocklistDesk.Options()
            change(&options)
            var observer = BlocklistObserver()
            observer.putAside = { _, reason in self.state.withLock { $0.told.append("- \(reason)") } }
            observer.tookBack = { zone in self.state.withLock { $0.told.append("+ \(zone)") } }
            observer.counted = { count in self.state.withLock { $0.count = count } }
            let desk = BlocklistDesk(options, observer: observer, now: { self.now }) {
                (question) async throws(StageFailure) in try self.answer(question)
            }
            desk.watch([BlocklistDeskTests.list])
            return desk
        }
    }

    static let list = Blocklist(zone: "zone.example", listed: ["2.0.0.127"], unlisted: ["1.0.0.127"])
    static let question = ListingQuestion(zone: "zone.example", names: ["7.2.0.192", "8.2.0.192"])

    let world = World()

    static func isPassedOver(_ answer: ListingAnswer) -> Bool { if case .passedOver = answer { true } else { false } }

    @Test func `a sound list says what it has, and its test points are asked once for many messages`() async {
        world.list("7.2.0.192.zone.example", "127.0.0.4")
        let desk = world.desk()
        let found = ListingAnswer.answered([Listing(name: "7.2.0.192", answers: ["127.0.0.4"])], unanswered: [])
        for _ in 1...5 { #expect(await desk.answer(Self.question) == found) }
        #expect(world.asked.filter { $0.hasSuffix(".127.zone.example") }.count == 2)
        #expect(desk.troubles == [] && world.told == [])
    }

    @Test(arguments: [
        ("2.0.0.127", "1.0.0.127", Blocklist.FreshNames.addresses(isMapped: false)), ("test", "invalid", .domains),
    ])
    func `a list that has begun to list everybody is found out while a cache keeps its test point`(
        _ listed: String, _ unlisted: String, _ fresh: Blocklist.FreshNames
    ) async {
        world.mood = .allBut("\(unlisted).zone.example")
        let desk = world.desk()
        desk.watch([Blocklist(zone: "zone.example", listed: [listed], unlisted: [unlisted])])
        await desk.look()
        #expect(desk.troubles == [])
        desk.watch([Blocklist(zone: "zone.example", listed: [listed], unlisted: [unlisted], fresh: fresh)])
        await desk.look()
        #expect(desk.troubles.count == 1 && world.told.contains { $0.contains("it may list everything") })
        world.forget()
        world.advance(.seconds(3600))
        await desk.look()
        #expect(world.asked.count == 3 && Set(world.asked).count == 3)
        world.mood = .sound
        world.list("\(listed).zone.example")
        world.advance(.seconds(3600))
        await desk.look()
        #expect(desk.troubles == [])
    }

    @Test func `fresh names are no public address and no domain that there can be`() {
        #expect(Blocklist.FreshNames.domains.name(.max) == "1z141z3.invalid")
        #expect(Blocklist.FreshNames.addresses(isMapped: false).name(0x12_3456) == "86.52.146.127")
        #expect(Blocklist.FreshNames.addresses(isMapped: false).name(.max) == "255.255.255.127")
        let mapped = Blocklist.FreshNames.addresses(isMapped: true).name(0x12_3456)
        #expect(mapped.hasPrefix("6.5.4.3.2.9.f.7.f.f.f.f.0.0.") && mapped.utf8.count == 63)
    }

    @Test func `where nothing is listed, no test point is asked for a message`() async {
        let desk = world.desk()
        #expect(await desk.answer(Self.question) == .answered([], unanswered: []))
        #expect(world.asked.count == 2)
    }

    /// What a list does that no sound list does.
    @Test(arguments: [
        World.Mood.all, .empty, .error("127.255.255.254"), .error("127.255.255.255"), .error("127.0.0.1"),
        .error("203.0.113.80"), .error("127.0.0.77"),
    ])
    func `R160: a list that has gone mad never says that somebody is listed`(_ mood: World.Mood) async {
        world.list("7.2.0.192.zone.example")
        world.mood = mood
        let desk = world.desk()
        desk.watch([
            Blocklist(zone: "zone.example", listed: ["2.0.0.127"], unlisted: ["1.0.0.127"], errors: ["127.0.0.77"])
        ])
        for _ in 1...3 { #expect(Self.isPassedOver(await desk.answer(Self.question))) }
        #expect(desk.troubles.map(\.zone) == ["zone.example"])
        #expect(world.told.count == 1 && world.count == 1)
        // It is not asked again before it is looked at.
        world.forget()
        _ = await desk.answer(Self.question)
        #expect(world.asked == [])
    }

    @Test func `R160: it is taken back when its test points answer again, and not before it is looked at`() async {
        world.list("7.2.0.192.zone.example")
        world.mood = .all
        let desk = world.desk()
        await desk.look()
        #expect(desk.troubles.count == 1)
        world.mood = .sound
        await desk.look()
        #expect(desk.troubles.count == 1)
        world.advance(.seconds(599))
        await desk.look()
        #expect(desk.troubles.count == 1)
        world.advance(.seconds(1))
        await desk.look()
        #expect(desk.troubles == [] && world.told.last == "+ zone.example" && world.count == 0)
        #expect(!Self.isPassedOver(await desk.answer(Self.question)))
    }

    @Test func `R160: a list that goes mad between two looks is found out before a name counts`() async {
        let desk = world.desk()
        await desk.look()
        world.mood = .all
        world.advance(.seconds(601))
        #expect(Self.isPassedOver(await desk.answer(Self.question)))
        #expect(world.told == ["- it lists 1.0.0.127, which no sound list does: it may list everything"])
    }

    @Test func `R160: a dead list costs one wait, and then nothing until it answers again`() async {
        world.mood = .dead
        let desk = world.desk()
        #expect(await desk.answer(Self.question) == .answered([], unanswered: Self.question.names))
        world.forget()
        for _ in 1...5 { #expect(Self.isPassedOver(await desk.answer(Self.question))) }
        #expect(world.asked == [])
        #expect(world.told == ["- it does not answer: no answer in time"])
        // Whether it is the list or the names is looked into at once, and again after a minute.
        await desk.look()
        world.forget()
        world.advance(.seconds(59))
        await desk.look()
        #expect(world.asked == [])
        world.advance(.seconds(1))
        await desk.look()
        #expect(
            desk.troubles.map(\.text) == [
                "The list zone.example is put aside: its test points do not answer: no answer in time."
            ])
        world.mood = .sound
        world.advance(.seconds(60))
        await desk.look()
        #expect(desk.troubles == [] && world.told.last == "+ zone.example")
    }

    @Test func `R160: who never answers is waited for no longer than patience lasts`() async {
        var options = BlocklistDesk.Options()
        options.patience = "20ms"
        let desk = BlocklistDesk(options) { _ async throws(StageFailure) in
            try? await Task.sleep(for: .seconds(3600))
            throw StageFailure("cancelled")
        }
        desk.watch([Self.list])
        let names = (1...100).map { "n\($0)" }
        #expect(
            await desk.answer(ListingQuestion(zone: "zone.example", names: names)) == .answered([], unanswered: names))
        #expect(desk.troubles.count == 1)
    }

    /// A desk for which these names are known.
    private func desk(knowing known: [String: DNSAnswer]) -> BlocklistDesk {
        let desk = BlocklistDesk(now: { world.now }, known: { [known] in known[$0.name] }) {
            (question) async throws(StageFailure) in try world.answer(question)
        }
        desk.watch([Self.list])
        return desk
    }

    @Test func `what is known needs no waiting, if all of it is`() {
        let clear = desk(knowing: ["7.2.0.192.zone.example": .noName, "8.2.0.192.zone.example": .noData])
        #expect(clear.immediate(Self.question) == .answered([], unanswered: []))
        #expect(desk(knowing: ["7.2.0.192.zone.example": .noName]).immediate(Self.question) == nil)
        #expect(clear.immediate(ListingQuestion(zone: "other.example", names: [])) == nil)
        #expect(world.asked == [])
    }

    @Test func `R160: what is known counts no more than what is asked`() async {
        let listed = DNSAnswer.records([.address("127.0.0.4")], isSecure: false)
        let known = ["7.2.0.192.zone.example": listed, "8.2.0.192.zone.example": .noName]
        let desk = desk(knowing: known)
        // Its test points have not been asked.
        #expect(desk.immediate(Self.question) == nil)
        await desk.look()
        let found = ListingAnswer.answered([Listing(name: "7.2.0.192", answers: ["127.0.0.4"])], unanswered: [])
        #expect(desk.immediate(Self.question) == found)
        world.advance(.seconds(601))
        #expect(desk.immediate(Self.question) == nil)
        world.mood = .all
        await desk.look()
        #expect(desk.immediate(Self.question) == nil && desk.troubles.count == 1)
        let mad = DNSAnswer.records([.address("203.0.113.80")], isSecure: false)
        #expect(self.desk(knowing: known.mapValues { _ in mad }).immediate(Self.question) == nil)
    }

    @Test func `a failure now and then is no silence, three in a row are`() async {
        let desk = world.desk()
        for mood in [World.Mood.broken, .broken, .sound, .broken, .broken] {
            world.mood = mood
            #expect(!Self.isPassedOver(await desk.answer(Self.question)))
        }
        #expect(desk.troubles == [])
        _ = await desk.answer(Self.question)
        #expect(desk.troubles.count == 1)
    }

    @Test func `R160: names that a list answers badly do not blind it for others`() async {
        world.mute("7.2.0.192.zone.example")
        let desk = world.desk()
        let answered = ListingAnswer.answered([], unanswered: ["7.2.0.192"])
        #expect(await desk.answer(Self.question) == answered && desk.troubles == [])
        // Asked about such names alone it seems dead, until its test points have been asked.
        _ = await desk.answer(ListingQuestion(zone: "zone.example", names: ["7.2.0.192"]))
        #expect(desk.troubles.count == 1)
        await desk.look()
        #expect(desk.troubles == [])
        #expect(await desk.answer(Self.question) == answered)
    }

    @Test func `who has no patience does not make a list dead`() async {
        let desk = BlocklistDesk { _ async throws(StageFailure) in
            try? await Task.sleep(for: .seconds(3600))
            throw StageFailure("cancelled")
        }
        desk.watch([Self.list])
        let asking = Task { await desk.answer(Self.question) }
        asking.cancel()
        #expect(await asking.value == .answered([], unanswered: Self.question.names))
        #expect(desk.troubles == [])
    }

    @Test func `a reload forgets lists that are gone, and keeps what is known of others`() async {
        world.mood = .all
        let desk = world.desk()
        await desk.look()
        desk.watch([Self.list, Blocklist(zone: "other.example", listed: [], unlisted: [])])
        #expect(desk.troubles.count == 1)
        desk.watch([])
        #expect(desk.troubles == [] && world.count == 0)
        #expect(Self.isPassedOver(await desk.answer(Self.question)))
    }

    @Test func `more names than are asked at once are all asked`() async {
        let desk = world.desk { $0.mostAtOnce = 3 }
        let names = (1...40).map { "n\($0)" }
        _ = await desk.answer(ListingQuestion(zone: "zone.example", names: names))
        #expect(Set(world.asked) == Set(names.map { "\($0).zone.example" }))
        #expect(world.asked.count == 40)
    }
}
