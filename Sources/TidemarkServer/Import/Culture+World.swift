extension Culture {
    static let turkish = Culture(
        given: words(
            """
            Ahmet Aslı=asli Ayşe=ayse Barış=baris Can Cemre Çağla=cagla Deniz Elif Emre Fatma Gökhan=gokhan
            Hakan İpek=ipek Kemal Leyla Mert Nur Ömer=omer Selin Şule=sule Tuna Umut Zeynep
            """
        ),
        family: words(
            """
            Acar Aksoy Arslan Aydın=aydin Bulut Çelik=celik Çetin=cetin Demir Doğan=dogan Erdem Güneş=gunes
            Kaplan Kılıç=kilic Koç=koc Korkmaz Öztürk=ozturk Polat Şahin=sahin Şen=sen Taş=tas Tekin
            Ünal=unal Yavuz Yıldız=yildiz
            """
        ),
        streets: ["Çınar Sokak", "Deniz Caddesi", "Gül Sokak", "İstasyon Caddesi", "Bahçe Sokak"],
        street: "% No: 1#",
        cities: ["İstanbul;34###", "Ankara;06###", "İzmir;35###", "Bursa;16###", "Antalya;07###"],
        country: "Türkiye",
        telephone: ["+90 212 555 0# ##", "+90 312 555 0# ##", "+90 232 555 0# ##"],
        language: "tr",
        companyForm: "A.Ş."
    )

    static let chinese = Culture(
        given: words(
            """
            伟=wei 芳=fang 娜=na 敏=min 静=jing 丽=li 强=qiang 磊=lei 洋=yang 艳=yan 勇=yong 军=jun 杰=jie 涛=tao 明=ming
            超=chao 秀英=xiuying 霞=xia 平=ping 桂英=guiying 建华=jianhua 雪梅=xuemei 晓东=xiaodong 海燕=haiyan
            """
        ),
        family: words(
            """
            王=wang 李=li 张=zhang 刘=liu 陈=chen 杨=yang 赵=zhao 黄=huang 周=zhou 吴=wu 徐=xu 孙=sun 胡=hu 朱=zhu 高=gao
            林=lin 何=he 郭=guo 马=ma 罗=luo 梁=liang 宋=song 郑=zheng 谢=xie
            """
        ),
        isFamilyFirst: true,
        joint: "",
        streets: ["人民路", "中山路", "解放路", "和平街", "新华路"],
        street: "%1#号",
        cities: ["北京;10####", "上海;20####", "广州;51####", "成都;61####", "西安;71####"],
        country: "中国",
        telephone: ["+86 10 5550 ####", "+86 21 5550 ####", "+86 20 5550 ####"],
        language: "zh",
        companyForm: "有限公司"
    )

    static let japanese = Culture(
        given: words(
            """
            蓮=ren 陽菜=hina 結衣=yui 大翔=hiroto 葵=aoi 悠真=yuma 美咲=misaki 翔太=shota さくら=sakura 健太=kenta 凛=rin
            直樹=naoki 真央=mao 拓也=takuya 彩=aya 和也=kazuya 千尋=chihiro 亮=ryo 恵=megumi 誠=makoto 由美=yumi 優=yu
            遥=haruka 隆=takashi
            """
        ),
        family: words(
            """
            佐藤=sato 鈴木=suzuki 高橋=takahashi 田中=tanaka 伊藤=ito 渡辺=watanabe 山本=yamamoto 中村=nakamura 小林=kobayashi
            加藤=kato 吉田=yoshida 山田=yamada 松本=matsumoto 井上=inoue 木村=kimura 林=hayashi 清水=shimizu 池田=ikeda
            橋本=hashimoto 石川=ishikawa 前田=maeda 藤田=fujita 岡田=okada 村上=murakami
            """
        ),
        isFamilyFirst: true,
        streets: ["本町", "中央", "緑町", "桜木町", "旭町"],
        street: "%2-1#",
        cities: ["東京都;1##-00##", "大阪市;53#-00##", "名古屋市;45#-00##", "札幌市;06#-00##", "福岡市;81#-00##"],
        country: "日本",
        telephone: ["+81 3 5550 ####", "+81 6 5550 ####", "+81 52 555 0###"],
        language: "ja",
        companyForm: "株式会社"
    )

    static let hindi = Culture(
        given: words(
            """
            Aarav Aditi Amit Ananya Arjun Deepa Divya Gaurav Ishaan Kavya Kiran Lakshmi Manish Meera Neha
            Nikhil Pooja Pranav Priya Rahul Riya Rohan Sanjay Vikram
            """
        ),
        family: words(
            """
            Agarwal Bansal Bhatt Chauhan Desai Gupta Iyer Jain Joshi Kapoor Khanna Kulkarni Mehta Menon
            Mishra Nair Pandey Patil Rao Reddy Saxena Sharma Trivedi Verma
            """
        ),
        streets: ["MG Road", "Station Road", "Gandhi Nagar", "Lake View Road", "Temple Street"],
        street: "1##, %",
        cities: ["Mumbai;4000##", "Delhi;1100##", "Bengaluru;5600##", "Pune;4110##", "Chennai;6000##"],
        country: "India",
        telephone: ["+91 22 5550 ####", "+91 11 5550 ####", "+91 80 5550 ####"],
        language: "hi",
        companyForm: "Pvt Ltd"
    )

    static let yoruba = Culture(
        given: words(
            """
            Abiodun Adeola Ayodele Babatunde Bolanle Damilola Ebun Femi Folake Funmi Gbenga Ife Jide Kehinde
            Kunle Lanre Morenike Olumide Ronke Segun Simisola Taiwo Tunde Yetunde
            """
        ),
        family: words(
            """
            Abiola Adebayo Adeleke Adeyemi Afolabi Ajayi Akande Akinola Alabi Ayodeji Balogun Bankole Coker
            Dada Fashola Idowu Ogunleye Ojo Oladipo Olawale Oyelaran Popoola Salako Sowande
            """
        ),
        streets: ["Marina Road", "Allen Avenue", "Market Street", "Palm Grove", "Unity Close"],
        street: "3# %",
        cities: ["Lagos;1002##", "Ibadan;2002##", "Abeokuta;1102##", "Akure;3402##", "Ilorin;2402##"],
        country: "Nigeria",
        telephone: ["+234 1 555 0###", "+234 2 555 0###", "+234 800 555 0###"],
        language: "yo",
        companyForm: "Ltd"
    )
}
