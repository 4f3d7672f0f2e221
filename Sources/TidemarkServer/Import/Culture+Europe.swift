extension Culture {
    static let english = Culture(
        given: words(
            """
            Alice Amy Ben Charlotte Daniel Edward Emily Freya George Hannah Harry Isla Jack James Kate Liam
            Megan Noah Oliver Poppy Ruby Sam Sophie Thomas
            """
        ),
        family: words(
            """
            Allen Baker Bell Carter Clarke Cooper Evans Foster Green Hill Hughes Jackson Knight Lloyd Mason
            Moore Palmer Reed Shaw Turner Walker Ward Webb Wood
            """
        ),
        streets: ["Station Road", "Church Lane", "Mill Street", "Park Avenue", "Orchard Close", "High Street"],
        street: "1# %",
        cities: ["London;SE# #AB", "Bristol;BS# #DF", "Leeds;LS# #HJ", "Cardiff;CF## #LN", "Norwich;NR# #PQ"],
        country: "United Kingdom",
        telephone: ["+44 20 7946 0###", "+44 117 496 0###", "+44 113 496 0###", "+44 7700 900###"],
        language: "en",
        companyForm: "Ltd"
    )

    static let german = Culture(
        given: words(
            """
            Anna Ben Clara David Elias Emma Felix Greta Hannes Ida Jonas Jürgen=juergen Käthe=kaethe Lena
            Lukas Marie Nele Oskar Paul Rosa Sören=soeren Theo Ursula Wiebke
            """
        ),
        family: words(
            """
            Albrecht Bauer Becker Böhm=boehm Brandt Fischer Graf Hoffmann Huber Jäger=jaeger Keller
            Krüger=krueger Lange Maier Neumann Pohl Richter Schäfer=schaefer Schröder=schroeder Seidel Vogel
            Wagner Winkler Zimmermann
            """
        ),
        streets: ["Bahnhofstraße", "Gartenweg", "Lindenallee", "Am Mühlbach", "Schillerstraße", "Bergstraße"],
        street: "% 2#",
        cities: ["Berlin;10##9", "Hamburg;20##7", "München;80##3", "Leipzig;04##5", "Köln;50##7"],
        country: "Deutschland",
        telephone: ["+49 30 23125 ###", "+49 40 66969 ###", "+49 89 99998 ###", "+49 221 4710 ###"],
        language: "de",
        companyForm: "GmbH"
    )

    static let french = Culture(
        given: words(
            """
            Adèle=adele Antoine Camille Chloé=chloe Émile=emile Étienne=etienne Gabriel Hélène=helene Hugo
            Inès=ines Jules Julie Léa=lea Louis Lucie Manon Mathis Noémie=noemie Océane=oceane Paul
            Raphaël=raphael Simon Yves Zoé=zoe
            """
        ),
        family: words(
            """
            Aubert Barbier Bernard Blanc Bonnet Chevalier Dubois Dumas Fabre Faure Garnier Girard Lambert
            Lefèvre=lefevre Lemaire Mercier Morel Noël=noel Perrin Renard Rousseau Roux Simon Vidal
            """
        ),
        streets: ["rue de la Gare", "avenue des Tilleuls", "place du Marché", "rue Victor-Hugo", "chemin des Vignes"],
        street: "4#, %",
        cities: ["Paris;7501#", "Lyon;6900#", "Nantes;44#00", "Lille;59#00", "Bordeaux;33#00"],
        country: "France",
        telephone: ["+33 1 99 00 ## ##", "+33 2 61 91 ## ##", "+33 3 53 01 ## ##", "+33 6 39 98 ## ##"],
        language: "fr",
        companyForm: "SARL"
    )

    static let spanish = Culture(
        given: words(
            """
            Alba Álvaro=alvaro Beatriz Carlos Carmen Diego Elena Esteban Gonzalo Inés=ines Javier José=jose
            Lucía=lucia Marcos María=maria Mateo Nuria Pablo Pilar Raúl=raul Rocío=rocio Sergio Sofía=sofia
            Tomás=tomas
            """
        ),
        family: words(
            """
            Álvarez=alvarez Blanco Cano Castro Delgado Domínguez=dominguez Fernández=fernandez Fuentes Gil
            Gómez=gomez Herrera Iglesias León=leon Marín=marin Molina Navarro Núñez=nunez Ortega Prieto
            Ramos Rubio Santos Soto Vega
            """
        ),
        streets: ["calle Mayor", "calle del Sol", "avenida de la Paz", "plaza de España", "calle de la Fuente"],
        street: "%, 1#",
        cities: ["Madrid;280##", "Sevilla;410##", "Valencia;460##", "Bilbao;480##", "Granada;180##"],
        country: "España",
        telephone: ["+34 910 555 0##", "+34 955 555 0##", "+34 600 555 0##"],
        language: "es",
        companyForm: "S.L."
    )

    static let polish = Culture(
        given: words(
            """
            Adam Agnieszka Bartosz Celina Dorota Elżbieta=elzbieta Filip Grażyna=grazyna Hanna Igor Jakub
            Julia Kacper Łukasz=lukasz Maja Marek Natalia Oliwia Paweł=pawel Rafał=rafal Stanisław=stanislaw
            Tomasz Wiktoria Zofia
            """
        ),
        family: words(
            """
            Adamczyk Baran Czarnecki Dąbrowski=dabrowski Duda Głowacki=glowacki Górski=gorski
            Jabłoński=jablonski Kaczmarek Kowalczyk Król=krol Lis Mazur Nowicki Pawlak Pietrzak Rutkowski
            Sikora Szewczyk Walczak Wilk Wróbel=wrobel Zając=zajac Zieliński=zielinski
            """
        ),
        streets: ["ul. Polna", "ul. Leśna", "ul. Słoneczna", "ul. Krótka", "ul. Ogrodowa"],
        street: "% 3#",
        cities: ["Warszawa;00-###", "Kraków;30-###", "Gdańsk;80-###", "Wrocław;50-###", "Łódź;90-###"],
        country: "Polska",
        telephone: ["+48 22 555 0# ##", "+48 12 555 0# ##", "+48 500 555 0##"],
        language: "pl",
        companyForm: "sp. z o.o."
    )

    static let swedish = Culture(
        given: words(
            """
            Agnes Alva Anders Axel Björn=bjorn Ebba Elin Elsa Erik Gösta=gosta Gustav Håkan=hakan Ingrid
            Johan Karin Lars Linnéa=linnea Maja Nils Olle Åsa=asa Sven Tuva Wilma
            """
        ),
        family: words(
            """
            Andersson Berg Bergström=bergstrom Dahl Ekström=ekstrom Forsberg Hansson Hedlund Holm Jonsson
            Karlsson Lind Lindqvist Löfgren=lofgren Lundin Nilsson Nyström=nystrom Öberg=oberg Olofsson
            Sandberg Sjöberg=sjoberg Ström=strom Viklund Åberg=aberg
            """
        ),
        streets: ["Storgatan", "Skolvägen", "Björkvägen", "Kyrkogatan", "Ängsgatan"],
        street: "% 1#",
        cities: ["Stockholm;11# ##", "Göteborg;41# ##", "Malmö;21# ##", "Uppsala;75# ##", "Umeå;90# ##"],
        country: "Sverige",
        telephone: ["+46 8 465 004 ##", "+46 31 390 06 ##", "+46 40 628 04 ##", "+46 70 174 06 ##"],
        language: "sv",
        companyForm: "AB"
    )

    static let portuguese = Culture(
        given: words(
            """
            Afonso Ana Beatriz Bruno Caio Catarina Duarte Eduarda Fábio=fabio Gonçalo=goncalo Helena
            Inês=ines João=joao Joana Letícia=leticia Luís=luis Mariana Miguel Otávio=otavio Rafaela Rita
            Sérgio=sergio Tiago Vitória=vitoria
            """
        ),
        family: words(
            """
            Almeida Araújo=araujo Barbosa Barros Cardoso Carvalho Coelho Correia Cunha Dias Esteves Farias
            Gonçalves=goncalves Lopes Machado Magalhães=magalhaes Moreira Nogueira Pinto Queirós=queiros
            Ribeiro Simões=simoes Teixeira Vieira
            """
        ),
        streets: ["Rua das Flores", "Avenida Central", "Rua do Comércio", "Rua São João", "Travessa da Praia"],
        street: "%, 2#",
        cities: ["Lisboa;1#00-0##", "Porto;4#00-0##", "Coimbra;3000-0##", "São Paulo;01###-000", "Recife;50###-000"],
        country: "Portugal",
        telephone: ["+351 21 555 0###", "+351 22 555 0###", "+351 900 555 0##"],
        language: "pt",
        companyForm: "Lda."
    )
}
