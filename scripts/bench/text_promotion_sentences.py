"""Adverts, and sentences that only speak of the same things, in six languages, written for a test.

They were written beside the list (``hivescan/words/data/promotions.csv``), so what they show is that it does
what was meant, not how much it finds of what others write.
"""

from __future__ import annotations

ADVERTS: dict[str, tuple[str, ...]] = {
    "en": (
        "Everything in our store is 30% off this weekend, come and see us!",
        "Use my code ANNA10 at the checkout and save up to ten dollars.",
        "Hand-made candles, free shipping for orders over $40.",
        "Sign up here for a free trial, hurry while places are left.",
        "New video is out, like and subscribe!",
        "I sell vintage lamps, special prices for the holidays.",
    ),
    "es": (
        "Solo hoy: 40 % de descuento en toda la tienda.",
        "Envío gratis en pedidos de más de 30 euros.",
        "Usa el código MARIA15 y llévate un regalo.",
        "Vendo bicicleta casi nueva, precio especial para estudiantes.",
        "Visita nuestra tienda y descubre las rebajas de verano.",
        "Suscríbete a mi canal y participa en el sorteo.",
    ),
    "pt": (
        "Só hoje: 30% de desconto em todos os sapatos da loja.",
        "Frete grátis para todo o Brasil, faça o seu pedido!",
        "Use o meu código JOANA10 e pague menos.",
        "Vendo geladeira seminova, melhor preço da cidade.",
        "Clique aqui e garanta já a sua vaga no curso.",
        "Oferta relâmpago: leve 3 pague 2.",
    ),
    "fr": (
        "Aujourd'hui seulement, 20 % de réduction sur toute la boutique.",
        "Livraison offerte dès 50 euros d'achat.",
        "Profitez-en vite avec mon code LEA10.",
        "Je vends un canapé presque neuf, petit prix, contactez-nous.",
        "Venez découvrir notre nouvelle collection et nos bons plans.",
        "Abonnez-vous à ma chaîne, lien en bio.",
    ),
    "de": (
        "Nur heute: 20 % Rabatt auf alle Schuhe in unserem Shop.",
        "Jetzt bestellen, versandkostenfrei ab 30 Euro.",
        "Mit meinem Code LENA10 spart ihr zehn Prozent.",
        "Verkaufe Fahrrad, kaum gefahren, Sonderpreis für Studenten.",
        "Besuchen Sie unseren Laden und entdecken Sie tolle Angebote.",
        "Abonniert meinen Kanal und macht mit beim Gewinnspiel!",
    ),
    "ar": (
        "خصم 50% على جميع المنتجات، اطلب الآن",
        "توصيل مجاني لجميع المدن، للطلب تواصل معنا",
        "استخدم كود SARA10 عند الدفع",
        "عرض خاص لفترة محدودة في متجرنا",
        "لا تفوتوا العروض، زوروا موقعنا",
        "اشتري الآن بأفضل الأسعار",
    ),
}

MENTIONS: dict[str, tuple[str, ...]] = {
    "en": (
        "I got 30% off my shoes at the store yesterday.",
        "There is no free shipping to our island, unfortunately.",
        'The banner said "limited time offer", and it hung there for years.',
        "Does anyone know whether they have a discount for students?",
        "The company announced that it would raise its prices by 5 %.",
        "We missed the summer sale because the car broke down.",
        "She never uses coupons and does not like sales.",
        "The offer was declined by the union after a long night.",
    ),
    "es": (
        "Ayer compré unos zapatos con un 30 % de descuento.",
        "No hay envío gratis a las islas.",
        'El cartel decía "oferta especial", y colgó allí durante años.',
        "¿Tienen algún descuento para estudiantes?",
        "La empresa dijo que subirá los precios un 5 %.",
        "La oferta de empleo ha bajado este año.",
    ),
    "pt": (
        "Ontem comprei sapatos com 30% de desconto.",
        "Não tem frete grátis para as ilhas.",
        'O cartaz dizia "oferta especial" e ficou lá durante anos.',
        "Alguém sabe se tem desconto para estudantes?",
        "A empresa disse que vai subir os preços em 5%.",
        "A oferta de emprego caiu este ano.",
    ),
    "fr": (
        "Hier j'ai acheté des chaussures avec 30 % de réduction.",
        "Il n'y a pas de livraison gratuite pour les îles.",
        "L'affiche disait « offre spéciale », et elle est restée là des années.",
        "Est-ce que quelqu'un sait s'il y a une réduction pour étudiants ?",
        "Le gouvernement veut une réduction de 5 % des dépenses.",
        "Les offres d'emploi ont baissé cette année.",
    ),
    "de": (
        "Gestern habe ich Schuhe mit 30 % Rabatt gekauft.",
        "Auf die Inseln gibt es keinen kostenlosen Versand.",
        'Auf dem Plakat stand "Sonderangebot", und es hing jahrelang dort.',
        "Gibt es Rabatt für Studenten?",
        "Das Unternehmen will die Preise um 5 Prozent senken.",
        "Angebot und Nachfrage bestimmen den Preis.",
    ),
    "ar": (
        "اشتريت أمس حذاء بخصم 30%",
        "لا يوجد توصيل مجاني إلى الجزر",
        "هل يوجد خصم للطلاب؟",
        "قال الوزير إن الأسعار ارتفعت 5% هذا العام",
        "كتب على الباب عبارة «عرض خاص»",
        "أعجبتني القصة كثيرا",
    ),
}
