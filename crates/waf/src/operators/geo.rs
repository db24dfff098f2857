//! `@geoLookup`: the location of an address, from a database in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>).

use std::net::IpAddr;

use maxminddb::{PathElement, Reader};

use super::describe::{escape, join};
use super::phrases::until_nul;

/// A database of countries or cities, for `@geoLookup` and the collection GEO.
pub struct GeoDatabase(Reader<Vec<u8>>);

/// Values of the collection GEO by key.
pub type Place = Vec<(&'static str, String)>;

impl std::fmt::Debug for GeoDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("GeoDatabase").field(&self.0.metadata().database_type).finish()
    }
}

impl GeoDatabase {
    /// Reads a database.
    ///
    /// # Errors
    /// A fault of the database, and what to do about it.
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<GeoDatabase, String> {
        const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
        const ADVICE: &str = "name a country or city database with the ending .mmdb (GeoLite2, DB-IP Lite)";
        if memchr::memmem::rfind(&bytes, MARKER).is_none() {
            let legacy = name.len() >= 4 && name[name.len() - 4..].eq_ignore_ascii_case(".dat");
            return Err(match legacy {
                true => {
                    format!(
                        "legacy GeoIP databases (.dat) are not supported and no longer published; {ADVICE}"
                    )
                }
                false => format!("the file is not a MaxMind database; {ADVICE}"),
            });
        }
        let reader =
            Reader::from_source(bytes).map_err(|error| format!("damaged database ({error}); {ADVICE}"))?;
        Ok(GeoDatabase(reader))
    }

    /// Looks up the address in `input`. Does not resolve host names.
    pub fn place(&self, input: &[u8]) -> Option<Place> {
        let address: IpAddr = std::str::from_utf8(until_nul(input)).ok()?.trim().parse().ok()?;
        let entry = self.0.lookup(address.to_canonical()).ok().filter(|entry| entry.has_data())?;
        let text = |path: &[PathElement<'_>]| entry.decode_path::<String>(path).ok().flatten();
        let number = |key| {
            let path = [PathElement::Key("location"), PathElement::Key(key)];
            entry.decode_path::<f64>(&path).ok().flatten().map(|number| number.to_string())
        };
        use PathElement::{Index, Key};
        let code = text(&[Key("country"), Key("iso_code")])
            // flat databases
            .or_else(|| text(&[Key("country_code")]))
            .or_else(|| text(&[Key("country")]))
            .filter(|code| code.len() == 2)
            .map(|code| code.to_ascii_uppercase());
        let metro = [Key("location"), Key("metro_code")];
        let values = [
            ("COUNTRY_CODE3", code.as_deref().and_then(alpha_3).map(str::to_owned)),
            ("COUNTRY_CODE", code),
            ("COUNTRY_NAME", text(&[Key("country"), Key("names"), Key("en")])),
            ("COUNTRY_CONTINENT", text(&[Key("continent"), Key("code")])),
            ("REGION", text(&[Key("subdivisions"), Index(0), Key("iso_code")])),
            ("CITY", text(&[Key("city"), Key("names"), Key("en")])),
            ("POSTAL_CODE", text(&[Key("postal"), Key("code")])),
            ("LATITUDE", number("latitude")),
            ("LONGITUDE", number("longitude")),
            ("DMA_CODE", entry.decode_path::<u16>(&metro).ok().flatten().map(|code| code.to_string())),
        ];
        let mut place: Place = values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        place.sort_by_key(|(key, _)| *key != "COUNTRY_CODE");
        (!place.is_empty()).then_some(place)
    }
}

/// Returns the sentence that ModSecurity 2 logs for a match.
pub(super) fn describe(input: &[u8], variable: &[u8]) -> Vec<u8> {
    join(&[b"Geo lookup for \"", &escape(until_nul(input)), b"\" succeeded at ", variable, b"."])
}

/// Returns the three-letter code of a country (ISO 3166-1), which the databases do not contain.
fn alpha_3(code: &str) -> Option<&'static str> {
    let at = COUNTRIES.as_bytes().chunks(6).position(|pair| pair.starts_with(code.as_bytes()))?;
    COUNTRIES.get(at * 6 + 2..at * 6 + 5)
}

/// ISO 3166-1: two letters, three letters, a space.
const COUNTRIES: &str = "\
    ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA AZAZE \
    BABIH BBBRB BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES BRBRA BSBHS \
    BTBTN BVBVT BWBWA BYBLR BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK CLCHL CMCMR CNCHN \
    COCOL CRCRI CUCUB CVCPV CWCUW CXCXR CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA DODOM DZDZA ECECU EEEST \
    EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK FMFSM FOFRO FRFRA GAGAB GBGBR GDGRD GEGEO GFGUF \
    GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD \
    HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD IOIOT IQIRQ IRIRN ISISL ITITA JEJEY JMJAM \
    JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO LBLBN LCLCA \
    LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD \
    MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM \
    NCNCL NENER NFNFK NGNGA NINIC NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG \
    PHPHL PKPAK PLPOL PMSPM PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA \
    SASAU SBSLB SCSYC SDSDN SESWE SGSGP SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD \
    STSTP SVSLV SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON \
    TRTUR TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR \
    VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE XKXKX";
