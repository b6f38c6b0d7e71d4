import Pipeline

extension ClamAV.Configuration {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case engine, found, limits, encrypted, macros, phishing, broken, unwanted, heuristics
        case foundPoints = "found_points"
        case limitsPoints = "limits_points"
        case encryptedPoints = "encrypted_points"
        case macrosPoints = "macros_points"
        case phishingPoints = "phishing_points"
        case brokenPoints = "broken_points"
        case unwantedPoints = "unwanted_points"
        case heuristicsPoints = "heuristics_points"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        engine = table.value(.engine, default: engine)
        found = table.value(.found, default: found)
        limits = table.value(.limits, default: limits)
        encrypted = table.value(.encrypted, default: encrypted)
        macros = table.value(.macros, default: macros)
        phishing = table.value(.phishing, default: phishing)
        broken = table.value(.broken, default: broken)
        unwanted = table.value(.unwanted, default: unwanted)
        heuristics = table.value(.heuristics, default: heuristics)
        foundPoints = table.value(.foundPoints, default: foundPoints)
        limitsPoints = table.value(.limitsPoints, default: limitsPoints)
        encryptedPoints = table.value(.encryptedPoints, default: encryptedPoints)
        macrosPoints = table.value(.macrosPoints, default: macrosPoints)
        phishingPoints = table.value(.phishingPoints, default: phishingPoints)
        brokenPoints = table.value(.brokenPoints, default: brokenPoints)
        unwantedPoints = table.value(.unwantedPoints, default: unwantedPoints)
        heuristicsPoints = table.value(.heuristicsPoints, default: heuristicsPoints)
    }
}
