// Made by scripts/charset-tables. Do not edit.

extension CharsetTables {
    static let big5Text2: StaticString = """
        Ba~-pcEr^inV!qgEo'[aGboYKaHcqkKr3Zp,{pgSoYraI'nXHau.nXJnWnbBMnZ1aI|aKG`X$aKTcZ.``jb~TpdZn[=aLJp&VaLTnq)oNNnVhoZ2
        n_0p!Eo9bai]c+#n_Up??aM@EchJaMWEA`pBaMbpgHaMAaMqaQaaM|b}hb2qp07atbaN=ZUaP/aO-aOkaP3Kbh;c$maPZc'#qe^aQ#rb,aW?bBKp
        GFni_pHVaQQPnpib<fo3,b/bbP?avy`uD`e&o2JbJpa(}aR/FrUIaR@@o.io0-b[]aRUraEaRcJBbOnq.$`w;bOcaS'Cb;?aCpa_qaS?`j9noraS
        FpHUorbaS]nrEaSzbF|aV~b*jb>=aTxqfAnu.aWSaU=Ta1Do2pny'`rcntdr^{o_*aW=a@'aT9bQ%aW}aXCaYCo7npIHa*upTOb+jn~2aYvb,'p#
        @b+ZHaZ/Ab_Sa[xcW^aSea]*.=rcX`]^o%^a]qpMCb;ebG1a]m`_3qiXa_Xo*Xa_vo+:pR5a`<pk'a`saae`ZSab>;o%JabYaj~a]nsCVpO_cMA`
        [7ab~b14`_EbA'o0XaeoaWIo1Pc$/adpnteqi[qkLo5*ae#o5Io4]qlmb>So5wo27aeCqnSag=afQ`_ipd`aff``.ag(bQtagfqr?oZV`r3o8K``
        Xo1waq~aPJaiPb(RaiVr2@`y.a3CnT>ajSay{o;Zq4Vn_Gajraixa@Jak'o>Vak5bP8ak6oBGqesakla4halKamSEao=oF+oFjam{GanToG{am$a
        p-b{N`c?pbpoLSoOjbz5`cH`m<aq(b6LaqpDpU{nsEaRiaE%aroaRko3xap`as6rOHas;A`dVas>b0(cN-asOnSWv!F`jma48o(4as}q^VoVBat>
        oX+atIcX7qn}atXcKgr`<au1aoi`qjp|goJ,qv&o^VcGmnU}r`/av`b+;o6j`fb`rv`]ta^_ob2b`x`t6awqENpd8Lr3)bRVaK'ag2az!b~cay]v
        !Xqp(az?aN&na@azEaj(pG~od%a{5rd3s-Ka{2`f0og2oe+avQaywb'Db!~nQga}po3wa~#ospb!_pe9`h^b$sb$2o),o5Jb%obDDot<cY2pJ>q-
        +b&dCcO1`iPb$u`iAb'tbC,pf&:b(O'1oz]b)#pcRa;=b)?`{Jo5xb)NBaujp'Fb**o~f@b*Vo}o@b*^nwxb*zp{Xb+)@oFpp!CrSJo~6p~rb[;o
        ebc^Rb,]pRope|`k^b4up1qb-]H:pMlrr|b.za)hb/ib@{cHwb/Gp',qlgb0Gp(Yb4[b5)rb-b3Ib1Qp,Gb23>`q<`hGp-Z`lVb.Nb37r`Pa$Fb2
        ib3o`lxnY7b|YaJ2b4tp-xoN}b5dp/jb6``mnb.Sb7.rts`n+b8'ni-axTb8?b9!obKbB'p:MnY#o96``gaT+p;qb:3pE{b:.b;-oXEpb`qf?b;P
        by0b;ppBNa)CpBOpMBpb{3p?p`_h`pQntHccfo~hoXKbqzb/~qkGqlhqmUb>yb>>bAJbBwpd5pJ7qo$c$^qqoaMUb<6b@Gb~mrbpb@YpCfbQbpGH
        bawb@zag#oz)bEV``3bDWpCgbBmo+~pIKa*xcM_bCZW`qXbD.rtF`qEbDYpL>bE1pJCpLOpIGpHZpG{pL9aMnpLP@(qK#bFMbG$bGMbG'bGsH@H`
        {w`s:bJFbJ(pO^bHvYafwbI8bI]alcpR7bI=cL,pPKbHwpTupf%:bJLre!bGdbKDcNTbKKabpcNUbKZcKhq*'bKeQpd*b1KbL/A`tKoz!b/SbCSb
        L]bNL@p`IrYYa4xrY2bNJEbP9bOqnqeqc0bP3bQWpN$o2Ipf!b*5`_GpdnpdCpeUbPb^b25pf$bQGn_f`urbQkodtbQorlibQUbPNbR(b}SbQ{``
        VbR&cM`b5JbR4a6%pg.pLYpfxrd%ah}re=o74bR{o9gbSebS?bSurm3o;rajUrlccLObTG<]Fpty`vBpn1bU,bQlbU<UbVDbVobW7=bWUFqPpbWw
        bxU`bgq`'<bX+CQTqr=c!Dpx#pzKoFNbYLGYb&1p|6bZ*p#cb[%r^!Co2#b[kTo(qpemb1Xb^nWKcU3b`4q)_b_9b`:b^pr'2cAwc-srbzqG9o]g
        ba0c/6b24ba*q0QbaGr5Wb`BbaSb@TqvT`uBbaqrs?bb!
        """
}
