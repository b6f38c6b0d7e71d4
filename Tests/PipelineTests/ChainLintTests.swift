import MailTypes
import Testing

@testable import Pipeline

@Suite struct ChainLintTests {
    struct Signer: MessageStage {
        static let name: StageName = "signer"
        static let effects: Effects = [.signs, .editsHeader]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    struct Judge: MessageStage {
        static let name: StageName = "thresholds"
        static let effects: Effects = [.readsScore, .rejects]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    struct Forgiver: MessageStage {
        static let name: StageName = "lists"
        static let effects: Effects = [.exempts]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    struct Waver: MessageStage {
        static let name: StageName = "wave-through"
        static let effects: Effects = [.accepts, .acceptsAlways]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    /// Stands for the stage that every chain needs against loops.
    struct Counter: MessageStage {
        static let name: StageName = "counter"
        static let effects: Effects = [.rejects, .endsLoops]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    static let counter = link(20, Counter())

    static func link(_ number: Int, _ stage: any Stage, words: Link.Words = Link.Words()) -> Link {
        Link(number: number, file: "\(number).toml", base: StageVariant(stage), words: words)
    }

    static let quiet: @Sendable (Message, Transaction) async throws(StageFailure) -> Finding =
        { _, _ throws(StageFailure) in .none }

    @Test func `a chain in good order has no lint`() {
        let chain = Chain([
            .router, Self.counter, .scripted(50, Self.quiet), Self.link(60, Judge()), Self.link(70, Signer()),
        ])
        #expect(chain.lints.isEmpty)
    }

    @Test func `each disorder is told with both files`() {
        func lints(_ links: [Link]) -> [String] {
            Chain([.router, Self.counter] + links).lints.map {
                "\($0.file) \($0.other ?? "-"): \($0.message.prefix(30))"
            }
        }
        #expect(
            lints([Self.link(60, Signer()), .scripted(70, Self.quiet)])
                == ["70-scripted.toml 60.toml: scripted changes the body behi"])
        #expect(
            lints([Self.link(45, Judge()), .scripted(50, Self.quiet)])
                == ["50-scripted.toml 45.toml: thresholds judges the score be"])
        #expect(
            lints([Self.link(45, Judge()), Self.link(50, Forgiver())])
                == ["50.toml 45.toml: thresholds judges the score be"])
        #expect(lints([Self.link(45, Forgiver()), Self.link(50, Judge())]) == [])
        #expect(
            lints([Self.link(45, Waver()), Self.link(50, Judge())]) == [
                "50.toml 45.toml: thresholds is never asked: wav"
            ])
    }

    struct Scorer: MessageStage {
        static let name: StageName = "spam"
        static let effects: Effects = [.scores, .distinguishesRecipients]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    struct EarlyScorer: SenderStage {
        static let name: StageName = "early"
        static let effects: Effects = [.scores, .rejects]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    @Test func `a score that nobody judges is told`() {
        var shadow = Link.Words()
        shadow.isObserved = true
        let nothing = "nothing follows from what spam finds: "
        #expect(
            Self.lints([Self.link(50, Scorer())])
                == ["50.toml -: \(nothing)no stage judges the score; put the stage thresholds behind it"])
        #expect(
            Self.lints([Self.link(50, Scorer()), Self.link(60, Judge(), words: shadow)]) == [
                "50.toml 60.toml: \(nothing)thresholds judges the score in shadow only; let it be applied, or these be "
                    + "in shadow too"
            ])
        #expect(
            Self.lints([Self.link(50, Scorer()), Self.link(55, Scorer())])
                == [
                    "55.toml -: nothing follows from what spam, spam find: no stage judges the score; put the stage "
                        + "thresholds behind it"
                ])
        #expect(Self.lints([Self.link(50, Scorer()), Self.link(60, Judge())]) == [])
        #expect(Self.lints([Self.link(50, Scorer(), words: shadow)]) == [])
        #expect(Self.lints([Self.link(50, EarlyScorer())]) == [], "who refuses as well may mean the points as a remark")
    }

    @Test func `a stage behind the judge of the score is told, unless it is asked before`() {
        #expect(
            Self.lints([Self.link(60, Judge()), Self.link(70, Scorer())])
                == ["70.toml 60.toml: thresholds judges the score before spam has added to it"])
        #expect(Self.lints([Self.link(60, Judge()), Self.link(70, EarlyScorer())]) == [])
    }

    @Test func `conditions that can never hold are told`() {
        var words = Link.Words()
        words.only = [.plain(.tls)]
        words.unless = [.plain(.tls)]
        #expect(Chain([.router, Self.counter, Self.link(50, Judge(), words: words)]).lints.count == 1)
        words.only = [.result(method: "spf", .pass)]
        words.unless = []
        #expect(Chain([.router, Self.counter, Self.link(50, Judge(), words: words)]).lints.count == 1)
    }

    struct Finder: SenderStage {
        static let name: StageName = "spf"
        static let effects: Effects = [.authenticates]
        static let methods: Set = ["spf"]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    struct LateFinder: MessageStage {
        static let name: StageName = "dkim"
        static let effects: Effects = [.authenticates]
        static let methods: Set = ["dkim"]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    struct Editor: MessageStage {
        static let name: StageName = "editor"
        static let effects: Effects = [.editsHeader]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    @Test func `nothing edits a message before its signatures are verified`() {
        let told = "editor changes the message before dkim has verified it, and breaks what was sound"
        #expect(Self.lints([Self.link(30, Editor()), Self.link(40, LateFinder())]) == ["40.toml 30.toml: \(told)"])
        #expect(Self.lints([Self.link(30, LateFinder()), Self.link(40, Editor())]).isEmpty)
        #expect(Self.lints([Self.link(30, Editor()), Self.link(40, Finder())]).isEmpty, "SPF reads no message")
    }

    struct Weigher: MessageStage {
        static let name: StageName = "dmarc"
        static let effects: Effects = [.authenticates]
        static let methods: Set = ["dmarc"]
        static let judgesBy: Set = ["spf", "dkim"]
        static let needs = [
            Need("spf", from: "spf", otherwise: "A"), Need("dkim", from: "dkim-verify", otherwise: "B"),
        ]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding { .none }
    }

    private static func lints(_ links: [Link]) -> [String] {
        Chain([.router, counter] + links).lints.map { "\($0.file) \($0.other ?? "-"): \($0.message)" }
    }

    private static func asking(_ word: String, _ number: Int, _ stage: any Stage) -> Link {
        var words = Link.Words()
        words.unless = [Condition(word)].compactMap(\.self)
        return link(number, stage, words: words)
    }

    @Test func `a condition needs a stage before that finds such results`() {
        let asks = Self.asking("spf.pass", 50, Judge())
        #expect(Self.lints([Self.link(30, Finder()), asks]).isEmpty)
        // What is asked at MAIL comes before what is asked about the message, whatever their numbers are.
        #expect(Self.lints([Self.link(60, Finder()), asks]).isEmpty)
        let never = "\"dkim.pass\" never holds here: no stage before thresholds finds dkim results"
        let wrong = Self.asking("dkim.pass", 50, Judge())
        #expect(Self.lints([Self.link(30, Finder()), wrong]) == ["50.toml -: \(never)"])
        #expect(Self.lints([wrong, Self.link(60, LateFinder())]) == ["50.toml 60.toml: \(never)"])
        #expect(Self.lints([Self.link(40, LateFinder()), wrong]).isEmpty)
        var words = Link.Words()
        words.isObserved = true
        #expect(
            Self.lints([Self.link(40, LateFinder(), words: words), wrong]).count == 1, "in shadow nothing is found")
        #expect(Self.lints([Self.asking("dkim.pass", 40, LateFinder())]).count == 1, "its own results come too late")
    }

    @Test func `what goes by results stands behind those that find them`() {
        let weigher = Self.link(50, Weigher())
        #expect(Self.lints([Self.link(60, Finder()), Self.link(40, LateFinder()), weigher]).isEmpty)
        #expect(
            Self.lints([Self.link(30, Finder()), weigher, Self.link(60, LateFinder())]) == [
                "50.toml 60.toml: dmarc goes by results of dkim before dkim has found them"
            ])
        #expect(
            Self.lints([weigher]) == [
                "50.toml -: dmarc goes by results of spf and dkim, and no stage finds any: nothing ever passes it; "
                    + "put the stages spf and dkim-verify before it"
            ])
    }

    @Test func `half of what a judgement needs is told, with what follows`() {
        let weigher = Self.link(50, Weigher())
        #expect(
            Self.lints([Self.link(30, Finder()), weigher]) == [
                "50.toml -: dmarc goes by results of dkim, and no stage finds any: B; "
                    + "put the stage dkim-verify before it"
            ])
        #expect(
            Self.lints([Self.link(30, LateFinder()), weigher]) == [
                "50.toml -: dmarc goes by results of spf, and no stage finds any: A; put the stage spf before it"
            ])
        var shadow = Link.Words()
        shadow.isObserved = true
        #expect(
            Self.lints([Self.link(30, Finder()), Self.link(40, LateFinder(), words: shadow), weigher]) == [
                "50.toml 40.toml: dmarc goes by results of dkim, and dkim finds them in shadow only: B; "
                    + "let both be in shadow, or neither of them"
            ])
        #expect(Self.lints([Self.link(50, Weigher(), words: shadow)]).isEmpty, "in shadow it decides nothing")
    }

    @Test func `a chain that routes nothing is told`() {
        #expect(Chain([Self.counter, Self.link(50, Judge())]).lints.count == 1)
    }

    struct Relaying: RecipientStage {
        static let name: StageName = "relaying"
        static let effects: Effects = [.routes, .relays]
        struct Configuration: Decodable { init() {} }
        init(_ configuration: Configuration = Configuration()) {}
        func recipient(
            _ recipient: Recipient, in transaction: Transaction
        ) async throws(StageFailure) -> Finding { .none }
    }

    @Test func `a chain that only relays is told, for its own domains have nobody`() {
        let lints = Chain([Self.counter, Self.link(50, Relaying())]).lints.map(\.message)
        #expect(lints.count == 1 && lints[0].contains("in this server's own domains"))
        #expect(Chain([.router, Self.counter, Self.link(50, Relaying())]).lints.isEmpty)
    }

    @Test func `a chain in which nothing ends a loop is told, and one in shadow ends none`() {
        let message = Chain([.router]).lints.map(\.message)
        #expect(message.count == 1 && message[0].contains("\"received\" is missing"))
        var words = Link.Words()
        words.isObserved = true
        #expect(Chain([.router, Self.link(20, Counter(), words: words)]).lints.count == 1)
        #expect(Chain([.router, Self.counter]).lints.isEmpty)
    }

    @Test func `a reload can say what has changed`() {
        let old = Chain([.router])
        var words = Link.Words()
        words.isObserved = true
        let new = Chain([.router, Self.link(50, Judge(), words: words)])
        #expect(
            new.difference(from: old).map(\.description)
                == ["+ 50.toml: thresholds (on_failure tempfail; timeout 30s; observed only)"])
        #expect(old.difference(from: new).count == 1)
        // Gone before new, each in its order, file by file.
        func valued(_ number: Int, _ values: [String: String]) -> Link {
            let origins = values.mapValues { ValueOrigin(value: $0, origin: "default") }
            return Link(
                number: number, file: "\(number).toml", base: StageVariant(Judge(), values: origins),
                words: Link.Words())
        }
        let before = Chain([valued(50, ["a": "1", "b": "2"]), valued(60, ["c": "3"])])
        let after = Chain([valued(50, ["a": "4", "b": "5"]), valued(60, ["c": "6"])])
        #expect(
            after.difference(from: before).map(\.description) == [
                "- 50.toml: a = 1", "- 50.toml: b = 2", "+ 50.toml: a = 4", "+ 50.toml: b = 5", "- 60.toml: c = 3",
                "+ 60.toml: c = 6",
            ])
        #expect(old.difference(from: old).isEmpty)
    }

    @Test(arguments: Condition.vocabulary)
    func `each word of the vocabulary reads and writes`(_ word: String) {
        #expect(Condition(word)?.description == word)
    }

    @Test func `a word outside the vocabulary is no condition`() {
        for word in ["", "spf", "spf.passed", "clamav.pass", "Authenticated", "spf.pass.x"] {
            #expect(Condition(word) == nil)
        }
    }
}
