import Directory
import MailTypes
import Testing

@Suite struct LoopTests {
    @Test func `a loop is refused with its chain`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAlias("a@acme.test", members: ["anna@acme.test"])
            try changes.addGroup("b@acme.test", members: ["a@acme.test"])
            try changes.addAlias("c@other.test", members: ["b+x@acme.test"])
        }
        let chain = ["a@acme.test", "c@other.test", "b@acme.test", "a@acme.test"]
        #expect(throws: DirectoryError.loop(chain)) {
            try sample.directory.change(by: "test") { try $0.addAliasMember("C@other.test", to: "a@acme.test") }
        }
        #expect(
            DirectoryError.loop(["a@x", "b@x", "a@x"]).description == "Mail would go round for ever: a@x > b@x > a@x.")
        #expect(try sample.directory.aliases(domain: "acme.test").first?.members == ["anna@acme.test"])
    }

    @Test(arguments: ["self@acme.test", "SELF@acme.test", "self+detail@acme.test"])
    func `an alias cannot mean itself`(_ member: String) throws {
        let sample = try Sample()
        #expect(throws: DirectoryError.loop(["self@acme.test", "self@acme.test"])) {
            try sample.directory.change(by: "test") { try $0.addAlias("self@acme.test", members: [member]) }
        }
    }

    @Test func `a switched-off alias still counts`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAlias("a@acme.test", members: ["anna@acme.test"])
            try changes.addAlias("b@acme.test", members: ["a@acme.test"])
            try changes.setAlias("b@acme.test", enabled: false)
        }
        #expect(throws: DirectoryError.loop(["a@acme.test", "b@acme.test", "a@acme.test"])) {
            try sample.directory.change(by: "test") { try $0.setAlias("a@acme.test", members: ["b@acme.test"]) }
        }
    }

    @Test func `postmaster can be part of a loop`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") {
            try $0.addAlias("a@acme.test", members: ["postmaster@acme.test"])
        }
        #expect(throws: DirectoryError.loop(["postmaster@acme.test", "a@acme.test", "postmaster@acme.test"])) {
            try sample.directory.change(by: "test") { try $0.setPostmaster("a@acme.test", domain: "acme.test") }
        }
        #expect(throws: DirectoryError.loop(["postmaster@acme.test", "a@acme.test", "postmaster@acme.test"])) {
            try sample.directory.change(by: "test") { try $0.setPostmaster("a@acme.test") }
        }
    }

    @Test func `a domain that comes later cannot close a loop`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAlias("a@acme.test", members: ["x@later.test"])
            try changes.addDomain("later.test", postOffice: "acme")
        }
        #expect(throws: DirectoryError.loop(["x@later.test", "a@acme.test", "x@later.test"])) {
            try sample.directory.change(by: "test") { try $0.addAlias("x@later.test", members: ["a@acme.test"]) }
        }
    }

    @Test func `depth is limited, seen from above and from below`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAlias("l1@acme.test", members: ["anna@acme.test"])
            for level in 2...DirectoryLimits.depth {
                try changes.addAlias("l\(level)@acme.test", members: ["l\(level - 1)@acme.test"])
            }
        }
        let chain = (1...DirectoryLimits.depth).reversed().map { "l\($0)@acme.test" }
        #expect(throws: DirectoryError.tooDeep(["top@acme.test"] + chain)) {
            try sample.directory.change(by: "test") { changes in
                try changes.addAlias("top@acme.test", members: ["l\(DirectoryLimits.depth)@acme.test"])
            }
        }
        #expect(throws: DirectoryError.tooDeep(chain + ["info@acme.test"])) {
            try sample.directory.change(by: "test") { try $0.setAlias("l1@acme.test", members: ["info@acme.test"]) }
        }
    }

    @Test func `members and addresses in the end are limited`() throws {
        let (limit, expansion) = (1_000, 5_000)
        let sample = try Sample {
            $0.maxMembers = limit
            $0.maxExpansion = expansion
        }
        let many = (0...limit).map { "u\($0)@elsewhere.test" }
        #expect(throws: DirectoryError.tooMany(name: "many@acme.test", count: limit + 1, limit: limit)) {
            try sample.directory.change(by: "test") { try $0.addGroup("many@acme.test", members: many) }
        }
        let groups = expansion / limit
        try sample.directory.change(by: "test") { changes in
            for group in 0..<groups {
                let members = (0..<limit).map { "u\($0)@e\(group).test" }
                try changes.addGroup("g\(group)@acme.test", members: members)
            }
            try changes.addGroup("all@acme.test", members: (0..<groups).map { "g\($0)@acme.test" })
        }
        #expect(throws: DirectoryError.tooMany(name: "all@acme.test", count: expansion + 1, limit: expansion)) {
            try sample.directory.change(by: "test") { try $0.addGroupMember("anna@acme.test", to: "all@acme.test") }
        }
    }

    @Test func `a diamond is no loop`() throws {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addAlias("left@acme.test", members: ["anna@acme.test"])
            try changes.addAlias("right@acme.test", members: ["anna@acme.test"])
            try changes.addAlias("top@acme.test", members: ["left@acme.test", "right@acme.test"])
            try changes.addAliasMember("info@acme.test", to: "left@acme.test")
        }
    }
}
