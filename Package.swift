// swift-tools-version: 6.2
import PackageDescription

// Built with SLUICE_FUZZ=1, the libraries are instrumented and the fuzz programs exist (`make fuzz`).
let fuzzing = Context.environment["SLUICE_FUZZ"] != nil

let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")

// The usual chain, which the program carries; `filters.d` is a link to it.
let chainFiles = [
    "10-access.toml", "12-early-talker.toml", "13-iprev.toml", "14-rate.toml", "15-helo.toml", "16-size.toml",
    "18-senders.toml", "19-relay-domain.toml", "20-transport.toml", "21-srs.toml", "22-relay.toml",
    "24-recipients.toml", "25-smarthost.toml", "26-spf.toml", "27-split-domain.toml", "28-dkim-verify.toml",
    "29-arc.toml", "30-header.toml", "31-catchall.toml", "32-received.toml", "33-clamav.toml", "34-dnsbl.toml",
    "36-dmarc.toml", "37-quota.toml", "38-results.toml", "39-lists.toml", "40-greylist.toml", "42-send-limits.toml",
    "43-policy.toml", "44-spam.toml", "46-rspamd.toml", "47-spamassassin.toml", "48-milter.toml", "60-thresholds.toml",
    "80-footer.toml", "90-dkim-sign.toml", "92-arc-seal.toml",
]

// The rules that the program carries; `rules.d` is a link to them.
let ruleFiles = [
    "accounts.toml", "goods.toml", "manners.toml", "money.toml", "senders.toml", "structure.toml", "subjects.toml",
]

let package = Package(
    name: "sluice",
    products: [
        .executable(name: "sluice", targets: ["Sluice"]),
        .library(name: "Pipeline", targets: ["Pipeline"]),
        .library(name: "SluiceTesting", targets: ["SluiceTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // The vocabulary of mail, and the wire protocols as machines without I/O.
        .target(name: "MailTypes"),
        .target(name: "Protocols", dependencies: ["MailTypes", nio]),

        // What a reader sees of a message.
        .target(name: "Content", dependencies: ["MailTypes"]),

        // What speaks for spam and what against it: rules, and what lessons have taught.
        .target(name: "Scoring", dependencies: ["Content", "MailTypes"]),

        // The heart: sessions, transactions, stages, findings, the chain; and the stages.
        .target(name: "Pipeline", dependencies: ["MailTypes", "Content", "Scoring", logging, metrics]),
        .target(name: "Filters", dependencies: ["Pipeline", "Scoring", "Content", "MailTypes"]),

        // What the world is reached through.
        .target(
            name: "Adapters",
            dependencies: [
                "MailTypes", "Pipeline", "Protocols", "COpenSSL", "CUnbound", "CIDN2", "CPSL", "CZlib", nio, nioPosix,
            ]),
        .target(
            name: "Sandbox",
            dependencies: [
                "MailTypes", "Pipeline", "Scoring", "CClamAV", "COpenDKIM", "CSPF2", "CVectorscan", "CSeccomp",
            ]),
        .target(name: "Directory", dependencies: ["MailTypes", "Pipeline", "Scoring", grdb, grdbSQLite]),
        .target(name: "Queue", dependencies: ["MailTypes"]),
        .target(name: "Mailboxes", dependencies: ["MailTypes"]),
        .target(
            name: "Delivery",
            dependencies: [
                "Queue", "Protocols", "Pipeline", "Mailboxes", "MailTypes", nio, nioPosix, nioSSL, nioTLS, logging,
            ]
        ),
        .target(
            name: "Frontends",
            dependencies: [
                "Protocols", "Pipeline", "Queue", "Mailboxes", "Directory", "MailTypes",
                nio, nioPosix, nioTLS, nioSSL, nioHTTP, logging, metrics,
            ]
        ),
        .target(name: "Configuration", dependencies: ["MailTypes", "Scoring", "CTOML"]),

        // Support for tests, shipped as a library so that authors of stages can use it too.
        .target(
            name: "SluiceTesting",
            dependencies: [
                "MailTypes", "Protocols", "Pipeline", "Filters", "Adapters", "Queue", "Directory", "Configuration", nio,
                nioPosix,
            ]
        ),

        .executableTarget(
            name: "Sluice",
            dependencies: [
                "MailTypes", "Content", "Scoring", "Protocols", "Pipeline", "Filters", "Adapters", "Sandbox",
                "Directory", "Queue",
                "Mailboxes", "Delivery", "Frontends", "Configuration", arguments, lifecycle, signals, logging, metrics,
                "CJemalloc", nio, nioPosix, nioSSL,
            ],
            resources: chainFiles.map { .embedInCode("Resources/filters.d/\($0)") }
                + ruleFiles.map { .embedInCode("Resources/rules.d/\($0)") }
        ),

        // C libraries, each imported by one Swift file.
        .target(name: "CTOML", path: "Sources/CLibraries/CTOML"),
        // In malloc's place in whatever it is linked into, the program and what tests start for it: nothing imports it.
        .target(
            name: "CJemalloc", path: "Sources/CLibraries/CJemalloc", linkerSettings: [.linkedLibrary("jemalloc")]),
        .systemLibrary(
            name: "COpenSSL", path: "Sources/CLibraries/COpenSSL", pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CUnbound", path: "Sources/CLibraries/CUnbound", providers: [.apt(["libunbound-dev"])]),
        .systemLibrary(
            name: "CIDN2", path: "Sources/CLibraries/CIDN2", pkgConfig: "libidn2",
            providers: [.apt(["libidn2-dev"])]),
        .systemLibrary(
            name: "COpenDKIM", path: "Sources/CLibraries/COpenDKIM", pkgConfig: "opendkim",
            providers: [.apt(["libopendkim-dev"])]),
        .systemLibrary(
            name: "CSPF2", path: "Sources/CLibraries/CSPF2", providers: [.apt(["libspf2-dev"])]),
        // Loaded by the workers that scan, not linked.
        .systemLibrary(
            name: "CClamAV", path: "Sources/CLibraries/CClamAV", providers: [.apt(["libclamav-dev"])]),
        .systemLibrary(
            name: "CVectorscan", path: "Sources/CLibraries/CVectorscan", pkgConfig: "libhs",
            providers: [.apt(["libvectorscan-dev"])]),
        .systemLibrary(
            name: "CSeccomp", path: "Sources/CLibraries/CSeccomp", pkgConfig: "libseccomp",
            providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(
            name: "CPSL", path: "Sources/CLibraries/CPSL", pkgConfig: "libpsl", providers: [.apt(["libpsl-dev"])]),
        .systemLibrary(
            name: "CZlib", path: "Sources/CLibraries/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

        .testTarget(name: "MailTypesTests", dependencies: ["MailTypes", "SluiceTesting"]),
        .testTarget(name: "ContentTests", dependencies: ["Content", "MailTypes", "SluiceTesting"]),
        .testTarget(
            name: "ScoringTests",
            dependencies: ["Scoring", "Sandbox", "Configuration", "Content", "MailTypes", "SluiceTesting"]),
        .testTarget(
            name: "ProtocolsTests", dependencies: ["Protocols", "MailTypes", "SluiceTesting", nio],
            exclude: ["Dialogs"]),
        .testTarget(name: "PipelineTests", dependencies: ["Pipeline", "MailTypes", "SluiceTesting"]),
        .testTarget(
            name: "FiltersTests",
            dependencies: [
                "Filters", "Configuration", "Adapters", "Pipeline", "Scoring", "Content", "MailTypes", "SluiceTesting",
            ]),
        .testTarget(
            name: "SuiteTests",
            dependencies: [
                "Adapters", "Filters", "Sandbox", "Pipeline", "Content", "MailTypes", "SluiceTesting",
            ]),
        .testTarget(
            name: "SandboxTests",
            dependencies: ["Sandbox", "SandboxProbe", "Adapters", "Pipeline", "Scoring", "MailTypes", "SluiceTesting"]),
        // What the tests start in a worker's place.
        .executableTarget(
            name: "SandboxProbe", dependencies: ["Sandbox", "MailTypes", "CJemalloc", "CSeccomp"],
            path: "Tests/SandboxProbe"),
        .testTarget(name: "QueueTests", dependencies: ["Queue", "MailTypes", "SluiceTesting"]),
        .testTarget(name: "MailboxesTests", dependencies: ["Mailboxes", "MailTypes"]),
        .testTarget(
            name: "DirectoryTests",
            dependencies: [
                "Directory", "Adapters", "Filters", "Pipeline", "Scoring", "MailTypes", "SluiceTesting", grdb,
            ]),
        .testTarget(
            name: "ConfigurationTests", dependencies: ["Configuration", "MailTypes", "SluiceTesting"],
            exclude: ["Mistakes"]),
        .testTarget(
            name: "DeliveryTests",
            dependencies: [
                "Delivery", "Adapters", "Queue", "Protocols", "Pipeline", "Mailboxes", "MailTypes", "SluiceTesting",
                nio, nioPosix, nioSSL, logging,
            ]),
        .testTarget(
            name: "FrontendsTests",
            dependencies: [
                "Frontends", "Protocols", "Pipeline", "Queue", "MailTypes", "SluiceTesting",
                nio, nioPosix, nioSSL, logging, metrics,
            ]),
        .testTarget(
            name: "SluiceTests",
            dependencies: [
                "Sluice", "SluiceTesting", "Protocols", "Configuration", "Pipeline", "Filters", "Directory", "Queue",
                "Delivery", "Adapters", "Sandbox", "MailTypes", nio, nioPosix, nioSSL, logging,
            ]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)

// One set of switches for every Swift target; nothing opts out.
for target in package.targets where target.type != .system && !["CTOML", "CJemalloc"].contains(target.name) {
    target.swiftSettings = [
        .treatAllWarnings(as: .error),  // SE-0480
        .enableUpcomingFeature("ExistentialAny"),  // SE-0335
        .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
        .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    ]
    // Stages are asked on the event loop of their connection, and stay there: what they call need not look for its
    // executor each time. SE-0461
    if ["Pipeline", "Filters"].contains(target.name) {
        target.swiftSettings?.append(.enableUpcomingFeature("NonisolatedNonsendingByDefault"))
    }
}

// The fuzz programs, one per parser: a name, and the library whose parser it feeds. Each is a folder of Sources/Fuzzing
// with seeds in Fuzz/seeds; `scripts/fuzz` builds and runs them.
let fuzzers: [(name: String, library: Target.Dependency)] = [
    ("AddressFuzz", "MailTypes"), ("AddressListFuzz", "MailTypes"), ("AuthenticationResultsFuzz", "MailTypes"),
    ("ClamdReplyFuzz", "Protocols"), ("ClientHelloFuzz", "Protocols"), ("ConfigurationFuzz", "Configuration"),
    ("DMARCFuzz", "Filters"),
    ("FieldFuzz", "MailTypes"), ("HTMLFuzz", "Content"), ("MessageFuzz", "MailTypes"), ("MIMEFuzz", "MailTypes"),
    ("CanonicalizationFuzz", "Filters"), ("JobProtocolFuzz", "Sandbox"), ("JournalFuzz", "Queue"),
    ("MilterClientFuzz", "Protocols"), ("MilterServerFuzz", "Protocols"), ("MTASTSFuzz", "Delivery"),
    ("ProxyHeaderFuzz", "Protocols"), ("ScannerReplyFuzz", "Protocols"), ("ScannerTemplateFuzz", "Sandbox"),
    ("SignatureFuzz", "Filters"),
    ("SMTPServerFuzz", "Protocols"), ("SMTPClientFuzz", "Protocols"), ("TLSReportRecordFuzz", "Delivery"),
    ("TokenFuzz", "Scoring"), ("URIFuzz", "Content"),
]
if fuzzing {
    let instruments = ["-sanitize=fuzzer,address"]
    for name in [
        "MailTypes", "Content", "Scoring", "Protocols", "Queue", "Configuration", "Pipeline", "Filters", "Sandbox",
        "Delivery",
    ] {
        package.targets.first { $0.name == name }?.swiftSettings?.append(.unsafeFlags(instruments))
    }
    package.targets.first { $0.name == "CTOML" }?.cxxSettings = [
        .unsafeFlags(["-fsanitize=fuzzer-no-link,address"])
    ]
    package.targets.append(.target(name: "CFuzzer", path: "Sources/Fuzzing/CFuzzer"))
    // Not a fuzz program of one parser, but mail in numbers: `scripts/hostile-mail`.
    let hostileMail: [Target.Dependency] = [
        "Adapters", "Filters", "MailTypes", "Pipeline", "Sandbox", "SluiceTesting",
    ]
    // Patterns are read by one library, and compiled by another.
    let rules: [Target.Dependency] = ["Configuration", "MailTypes", "Sandbox", "Scoring"]
    let programs = fuzzers.map { ($0.name, [$0.library]) } + [("HostileMail", hostileMail), ("RulesFuzz", rules)]
    for (name, libraries) in programs {
        package.targets.append(
            .executableTarget(
                name: name, dependencies: libraries + ["CFuzzer"], path: "Sources/Fuzzing/\(name)",
                swiftSettings: [.unsafeFlags(instruments + ["-parse-as-library"])],
                // The gold linker stops at instrumented code with an internal error.
                linkerSettings: [.unsafeFlags(instruments + ["-use-ld=lld"])]))
    }
}
