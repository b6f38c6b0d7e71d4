/// Which label means which charset: those of the Encoding Standard, and others that are seen in mail.
enum CharsetLabels {
    /// Longer ones name nothing; they are not even looked up.
    static let longest = 40

    /// By label in lower case.
    static let charsets: [String: Charset] = {
        var charsets: [String: Charset] = [:]
        var current: Charset?
        for word in text.split(whereSeparator: \.isWhitespace) {
            if word.hasSuffix(":"), !word.dropLast().contains(":"), let charset = named(String(word.dropLast())) {
                current = charset
                charsets[charset.name] = charset
            } else if let current {
                charsets[String(word)] = current
            }
        }
        return charsets
    }()

    private static func named(_ name: String) -> Charset? {
        let families: [String: Charset.Family] = [
            "utf-8": .utf8, "utf-16be": .utf16(isBigEndian: true), "utf-16le": .utf16(isBigEndian: false),
            "utf-7": .utf7, "gbk": .gb18030, "gb18030": .gb18030, "big5": .big5, "euc-jp": .eucJP,
            "shift_jis": .shiftJIS, "iso-2022-jp": .iso2022JP, "euc-kr": .eucKR, "x-user-defined": .userDefined,
            // The table is that of iso-8859-8; the two differ in the order on the screen.
            "iso-8859-8-i": .single(CharsetTables.places["iso-8859-8"] ?? 0),
        ]
        let family = families[name] ?? CharsetTables.places[name].map { .single($0) }
        return family.map { Charset(name: name, family: $0) }
    }

    private static let text = """
        utf-8: unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8 x-unicode20utf8 utf_8 cp65001
            unicode-2-0-utf-8 utf-8-mac utf8mb4
        ibm866: 866 cp866 csibm866
        iso-8859-2: csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2 latin-2
            iso8859_2 8859_2 iso-8859_2
        iso-8859-3: csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3
        iso-8859-4: csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4
        iso-8859-5: csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988
        iso-8859-6: arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i
            iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987
        iso-8859-7: csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597 iso_8859-7
            iso_8859-7:1987 sun_eu_greek
        iso-8859-8: csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8
            iso_8859-8:1988 visual
        iso-8859-8-i: csiso88598i logical
        iso-8859-10: csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6
        iso-8859-13: iso8859-13 iso885913
        iso-8859-14: iso8859-14 iso885914
        iso-8859-15: csisolatin9 iso8859-15 iso885915 iso_8859-15 l9 latin-9 latin9 iso8859_15 8859_15
            iso-8859_15 iso_8859-15:1998
        iso-8859-16:
        koi8-r: cskoi8r koi koi8 koi8_r koi-8-r koi-8 koi8r
        koi8-u: koi8-ru koi8_u
        macintosh: csmacintosh mac x-mac-roman
        windows-874: dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 tis620 cp874 ms874
        windows-1250: cp1250 x-cp1250 win-1250 win1250 windows1250
        windows-1251: cp1251 x-cp1251 win-1251 win1251 cp-1251 windows1251
        windows-1252: ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1
            iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii x-cp1252 latin-1 iso8859_1 8859_1 iso-8859_1
            iso_8859_1 iso-latin-1 win-1252 win1252 cp-1252 windows1252 ansi us_ascii usascii iso646-us
            iso_646.irv:1991 ansi_x3.4-1986 ibm367 cp367
        windows-1253: cp1253 x-cp1253
        windows-1254: cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5
            latin5 x-cp1254 latin-5 iso8859_9 8859_9
        windows-1255: cp1255 x-cp1255
        windows-1256: cp1256 x-cp1256
        windows-1257: cp1257 x-cp1257
        windows-1258: cp1258 x-cp1258
        x-mac-cyrillic: x-mac-ukrainian
        gbk: chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk cp936 ms936 windows-936
            euc-cn x-euc-cn euccn x-gb2312 gb-2312 gb2312-80
        gb18030:
        big5: big5-hkscs cn-big5 csbig5 x-x-big5 cp950 windows-950 ms950 big5-eten big-5 x-big5
        euc-jp: cseucpkdfmtjapanese x-euc-jp eucjp ujis x-eucjp eucjp-ms
        iso-2022-jp: csiso2022jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-ms cp50220 cp50221 jis
            jis7
        shift_jis: csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis cp932 ms_932 x-ms-cp932
            windows-932 shift_jisx0213
        euc-kr: cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601
            windows-949 cp949 ms949 uhc x-windows-949 euckr ks_c_5601
        utf-16be: unicodefffe utf16be
        utf-16le: csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf16 utf16le
        x-user-defined:
        utf-7: utf7 unicode-1-1-utf-7 unicode11utf7 csunicode11utf7 x-unicode-2-0-utf-7 utf-7-imap x-utf-7
            cp65000
        """
}
