import Foundation
import MailTypes
import Testing

@testable import Configuration

@Suite struct TOMLDecoderTests {
    private func parse(_ text: String) throws -> TOMLNode { try TOMLDocument(Array(text.utf8), file: "t").root }

    private func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> DecodedTable<Value> {
        TOMLDecoder.decode(type, from: try parse(text))
    }

    struct Everything: Decodable, Equatable {
        enum Colour: String, Decodable, CaseIterable { case red, green }
        struct Inner: Decodable, Equatable {
            var x: Int8
            var y: [[Double]]
        }
        var flag: Bool
        var text: String
        var number: UInt16
        var ratio: Double
        var colour: Colour
        var list: [Inner]
        var table: [String: Int]
        var set: Set<String>
        var maybe: Int?
        var size: ByteCount
        var time: Interval
    }

    static let everything = """
        flag = true
        text = "a"
        number = 65535
        ratio = 2
        colour = "green"
        list = [{ x = -1, y = [[1, 2.5], []] }]
        table = { a = 1, "b c" = 2 }
        set = ["x", "y", "x"]
        size = 4096
        time = "90s"
        """

    @Test func `synthesized types are decoded whole`() throws {
        let decoded = try decode(Everything.self, Self.everything)
        #expect(decoded.diagnostics == [])
        let value = try #require(decoded.value)
        #expect(value.list == [Everything.Inner(x: -1, y: [[1, 2.5], []])])
        #expect(value.table == ["a": 1, "b c": 2])
        #expect(value.set == ["x", "y"])
        #expect(value.ratio == 2 && value.number == 65_535 && value.colour == .green && value.maybe == nil)
        #expect(value.size == "4KB" && value.time == "90s")
    }

    /// The text to put in place of another, and what is said then.
    @Test(arguments: [
        ("flag = true\n", "", "t:1:1: error: `flag` is missing"),
        ("65535", "65536", "t:3:10: error: `number` must be from 0 to 65535"),
        ("x = -1", "x = 200", "t:6:15: error: `x` must be from -128 to 127"),
        ("[]]", "[true]]", "t:6:35: error: `y` must be a number, not true or false"),
        (
            "\"green\"", "\"gren\"",
            "t:5:10: error: `colour`: \"gren\" is not one of \"red\", \"green\"; did you mean \"green\"?"
        ),
        ("\"b c\" = 2", "\"b c\" = []", "t:7:26: error: `b c` must be a whole number, not a list"),
        ("4096", "false", "t:9:8: error: `size` must be a string, not true or false"),
        (
            "time = ", "tmie = ",
            "t:1:1: error: `time` is missing|t:10:1: error: unknown key `tmie`; did you mean `time`?"
        ),
        ("text = \"a\"", "text = \"a\"\nmaybe = \"1\"", "t:3:9: error: `maybe` must be a whole number, not a string"),
    ])
    func `a type that gives up at the first mistake has that one told`(
        _ old: String, _ new: String, _ expected: String
    ) throws {
        let decoded = try decode(Everything.self, Self.everything.replacing(old, with: new, maxReplacements: 1))
        #expect(decoded.value == nil)
        #expect(decoded.diagnostics.map(\.description) == expected.split(separator: "|").map(String.init))
    }

    @Test func `a type that goes on has all its mistakes told`() throws {
        let decoded = try decode(
            GreylistValues.self, "delay = 5\nwindow = []\nmode = 1\nexempt = [1, \"192.0.2.1/24\"]\nsise = 1\n")
        #expect(decoded.value?.delay == "5m")
        #expect(
            decoded.diagnostics.map { "\($0.line):\($0.column)" } == ["1:9", "2:10", "3:8", "4:11", "4:14", "5:1"])
    }

    struct Either: Decodable {
        var number = 0
        var word = ""
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: TOMLKey.self)
            let key = TOMLKey(stringValue: "x")
            if let number = try? container.decode(Int.self, forKey: key) {
                self.number = number
            } else {
                word = try container.decode(String.self, forKey: key)
            }
        }
    }

    @Test func `of several tries at one key the last one counts`() throws {
        #expect(try decode(Either.self, "x = \"a\"").diagnostics == [])
        #expect(
            try decode(Either.self, "x = 1.5").diagnostics.map(\.message)
                == ["`x` must be a string, not a number with a fraction"])
    }

    struct Manual: Decodable {
        var numbers: [Int] = []
        var inner = 0
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: TOMLKey.self)
            var list = try container.nestedUnkeyedContainer(forKey: TOMLKey(stringValue: "list"))
            while !list.isAtEnd { numbers.append(try list.decode(Int.self)) }
            let table = try container.nestedContainer(keyedBy: TOMLKey.self, forKey: TOMLKey(stringValue: "table"))
            inner = try table.decode(Int.self, forKey: TOMLKey(stringValue: "inner"))
        }
    }

    @Test func `nested containers are checked alike`() throws {
        let good = try decode(Manual.self, "list = [1, 2]\ntable = { inner = 3 }")
        #expect(good.value?.numbers == [1, 2] && good.value?.inner == 3 && good.diagnostics == [])
        #expect(
            try decode(Manual.self, "list = [1, \"2\"]\ntable = { inner = 3 }").diagnostics.map(\.description)
                == ["t:1:12: error: `list` must be a whole number, not a string"])
        #expect(
            try decode(Manual.self, "list = []\ntable = { inner = 3, iner = 4 }").diagnostics.map(\.description)
                == ["t:2:22: error: unknown key `iner`; did you mean `inner`?"])
        #expect(
            try decode(Manual.self, "list = []\ntable = 4").diagnostics.map(\.description)
                == ["t:2:9: error: `table` must be a table, not a whole number"])
    }

    @Test func `a table over another one falls back key by key, and tells where each value is from`() throws {
        let root = try parse(
            """
            [greylist]
            delay = "10m"
            mode = "pair"
            [domain]
            delay = "1m"
            """)
        let base = try #require(root[["greylist"]])
        let own = try #require(root[["domain"]])
        let decoded = TOMLDecoder.decode(GreylistValues.self, from: own, over: base)
        #expect(decoded.diagnostics == [])
        #expect(decoded.value?.delay == "1m" && decoded.value?.mode == .pair)
        #expect(
            decoded.options.map { "\($0.key) = \($0.value) \($0.origin)" } == [
                "delay = \"1m\" t:5:9", "window = \"12h\" default", "mode = \"pair\" t:3:8", "ipv4_prefix = 24 default",
                "exempt = [] default", "size = \"1MB\" default",
            ])
    }

    @Test func `tables within tables show through as well`() throws {
        struct Weights: Decodable {
            var weights: [String: Int]
            var list: [Int]
        }
        let root = try parse("[base]\nweights = { a = 1, b = 2 }\nlist = [1]\n[own]\nweights = { b = 3 }\nlist = [2]\n")
        let decoded = TOMLDecoder.decode(
            Weights.self, from: try #require(root[["own"]]), over: root[["base"]])
        #expect(decoded.value?.weights == ["a": 1, "b": 3])
        #expect(decoded.value?.list == [2])
    }
}
